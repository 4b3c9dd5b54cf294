import streamlit as st

st.header("x")
