# Serves the app on port 8501 as user 1000, on the shipped checkpoints; a Hugging Face Docker
# Space runs it as it is. Volumes: /data (data sets), /runs, /cache; all else may be read-only.
FROM node:22-slim AS npm
WORKDIR /npm
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.12-slim

RUN useradd --create-home --uid 1000 user \
    && mkdir /data /runs /cache \
    && chown user /data /runs /cache
WORKDIR /home/user/app
COPY requirements.txt .
# pip reads it. Wheels without CUDA make the image smaller by some gigabytes; see the README.
ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
COPY --from=npm /npm/node_modules/onnxruntime-web/package.json node_modules/onnxruntime-web/
COPY --from=npm \
    /npm/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs \
    /npm/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs \
    /npm/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm \
    node_modules/onnxruntime-web/dist/
USER user
ENV GENMODELS_DATA=/data GENMODELS_RUNS=/runs GENMODELS_CACHE=/cache TORCH_HOME=/cache/torch
ENV GENMODELS_EMBED=https://huggingface.co
EXPOSE 8501
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health')"
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
