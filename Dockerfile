# docker build --target service . makes the HTTP service, docker build . the web app

FROM python:3.12-slim AS base
WORKDIR /app
RUN useradd --create-home --uid 10001 reader
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src

FROM base AS service
RUN pip install --no-cache-dir --constraint constraints.txt '.[serve]'
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health')"]
ENTRYPOINT ["distillora", "serve", "--host", "0.0.0.0"]

FROM base AS app
RUN pip install --no-cache-dir --constraint constraints.txt '.[app]'
USER 10001
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health')"]
ENTRYPOINT ["distillora", "app", "--host", "0.0.0.0", "--no-browser"]
