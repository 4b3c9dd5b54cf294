"""How good the samples are, in numbers and beside what the model was shown."""

from statistics import median

import streamlit as st

from genmodels import evaluation, figures, pictures
from genmodels.runs import Run
from genmodels.ui import shared
from genmodels.ui.evaluation_view import (
    MEANINGS,
    NOT_COMPUTED,
    estimate,
    find_nearest,
    is_measuring,
    show_measuring,
    start_measuring,
    table,
)
from genmodels.ui.permission import may_compute
from genmodels.ui.shell import mistakes_in_place, sentence

SHOWN = 10
KINDS = {
    "classifier": "Our classifier",
    "inception": "Inception (FID)",
}


def show_numbers(run: Run, entries: list[evaluation.Entry]) -> None:
    """This run's distances, the form that measures, and the table of all runs."""
    fid = [entry for entry in entries if entry["title"] == "FID"]
    others = [entry for entry in entries if entry["metric"] == "frechet" and entry not in fid]
    with st.container(horizontal=True):
        for entry in others:
            st.metric(entry["title"], f"{entry['value']:.3g}", help=f"{entry['samples']:,} samples")
        if fid:
            best = max(fid, key=lambda entry: entry["samples"])
            st.metric("FID", f"{best['value']:.2f}", help=f"{best['samples']:,} samples")
            st.metric("Floor (train against val)", f"{best['floor']['value']:.2f}")
        else:
            st.metric("FID", NOT_COMPUTED)

    st.subheader("Measure", anchor=False)
    if may_compute():
        show_form(run)
    with mistakes_in_place():
        show_measuring()

    st.subheader("All runs", anchor=False)
    others = [other for other in shared.gallery()[0] if other.id != run.id]
    frame = table([run, *others])
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.4g")
            for name in ("value", "error", "floor")
        },
    )
    shared.downloads(("CSV", "evaluation.csv", frame.to_csv(index=False).encode()))
    with st.expander("What the numbers mean"):
        st.markdown(MEANINGS)


def show_form(run: Run) -> None:
    """What to measure and how, with an estimate of the time."""
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    # Our classifiers know the data sets' pictures alone.
    kinds: list[evaluation.features.Kind] = (
        ["inception"] if run.recipe.pictures else ["classifier", "inception"]
    )
    if st.session_state.get("features") not in kinds:
        st.session_state.pop("features", None)
    kind = left.segmented_control(
        "Features of",
        kinds,
        default=kinds[0],
        required=True,
        format_func=KINDS.__getitem__,
        key="features",
        bind="query-params",
    )
    samples = middle.number_input(
        "Samples", evaluation.LEAST, 50_000, 10_000, 1000, key="samples", bind="query-params"
    )
    try:
        evaluation.check_counts(run)
        reason = "Your measurement is still running." if is_measuring() else ""
    except evaluation.EvaluationError as error:
        reason = sentence(error)
    right.button(
        "Compute",
        type="primary",
        width="stretch",
        disabled=bool(reason),
        on_click=start_measuring,
    )
    st.caption(reason or estimate(run, kind, samples))


def show_counts(entries: list[evaluation.Entry]) -> None:
    """The distances against the number of samples."""
    st.markdown(
        "The same samples, taken few at a time. Of few the **Fréchet distance** is larger, though "
        "the model stays the same: a Gaussian fitted to few points fits them too well, real "
        "pictures too. So compare values of equal numbers of samples only. The **kernel distance** "
        "has no such bias; of few samples it is merely less sure (the bars are standard errors)."
    )
    measured = [e for e in entries if e["metric"] in ("frechet", "kernel") and e.get("by_count")]
    sources = list(dict.fromkeys(entry["features"] for entry in measured))
    if not sources:
        shared.empty(
            "Not measured yet for this run: press Compute under Numbers, with at least 200 samples."
        )
    source = sources[0]
    if len(sources) > 1:
        source = st.segmented_control("Features of", sources, default=source, required=True)
    for column, metric in zip(st.columns(2), ("frechet", "kernel"), strict=True):
        chosen = [e for e in measured if (e["metric"], e["features"]) == (metric, source)]
        if not chosen:
            continue
        entry = max(chosen, key=lambda entry: entry["samples"])
        column.plotly_chart(
            figures.by_count(entry),
            key=f"count-{metric}",
            alt=f"{entry['title']} against the number of samples: from "
            f"{entry['by_count'][0]['value']:.3g} at {entry['by_count'][0]['samples']:,} "
            f"samples to {entry['value']:.3g} at {entry['samples']:,}",
        )


def show_nearest(run: Run) -> None:
    """Samples beside the training images nearest to them."""
    st.markdown(
        "Does the model draw anew, or repeat pictures it was shown? Left in each pair a "
        "sample, right the nearest of the training images that it learnt from."
    )
    left, right = st.columns(2)
    by = left.segmented_control(
        "Nearest by",
        ["pixels", "features"],
        default="pixels",
        required=True,
        format_func=str.capitalize,
        key="by",
        bind="query-params",
        help="Pixel by pixel, or as our classifier sees the pictures.",
    )
    seed = right.number_input("Seed", 0, 2**31 - 1, 0, key="seed", bind="query-params")
    found = find_nearest(run, shared.model_of(run), by, seed, SHOWN)
    if found:
        pairs = list(zip(found.samples, found.training, found.distances, strict=False))
        with st.container(horizontal=True):
            for sample, training, distance in pairs:
                pair = pictures.sprite(pictures.stack([sample, training]), 2)
                st.image(
                    pictures.enlarge(pair, max(1, 96 // sample.shape[0])),
                    caption=f"{distance:.2f}",
                    width=192,
                    alt=f"A sample and the nearest training image, {distance:.2f} apart",
                )
        ours, theirs = median(found.distances), median(found.real_distances)
        st.markdown(
            f"Median distance to the nearest training image: **{ours:.2f}** for samples, "
            f"**{theirs:.2f}** for test images the model never saw "
            f"({len(found.distances)} and {len(found.real_distances)} of them). A model that "
            "repeats what it was shown comes far closer than test images do. "
            "Soft pictures are near to everything in pixels: compare the features too."
        )
        groups = {"samples": found.distances, "test images": found.real_distances}
        st.plotly_chart(
            figures.histograms(groups, f"Distance to the nearest training image ({by})"),
            key="nearest-chart",
            alt=f"Distances to the nearest training image: median {ours:.2f} for samples, "
            f"{theirs:.2f} for test images",
        )


shared.heading(
    "FID",
    "How far are the samples from real pictures? The **Fréchet inception distance** compares the "
    "two as a network sees them: less is better. Look at the samples too: a number is no picture.",
)
run = shared.choose_run()
entries: list[evaluation.Entry] = []
with mistakes_in_place():  # A damaged file spoils neither the table nor the nearest images.
    entries = evaluation.results(run)
numbers, counts, memory = st.tabs(
    ["Numbers", "Why the number of samples matters", "Nearest training images"],
    key="view",
    bind="query-params",
)
if numbers.open:
    with numbers:
        show_numbers(run, entries)
if counts.open:
    with counts:
        show_counts(entries)
if memory.open:
    with memory:
        show_nearest(run)
