# syntax=docker/dockerfile:1
ARG PYTHON=3.12
FROM python:${PYTHON}-slim
COPY --from=ghcr.io/astral-sh/uv:latest /uv /usr/local/bin/uv
RUN apt-get update
RUN apt-get install -y libgomp1
COPY . /app
RUN pip install -r /app/requirements.txt
RUN pip install gunicorn
WORKDIR /app
CMD gunicorn shop:app --bind 0.0.0.0:$PORT
