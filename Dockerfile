# The server alone: it needs a PostgreSQL, named by FLOWTRAIL_DATABASE_URL.

FROM rust:1.95-bookworm AS builder
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:12-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/flowtrail --create-home flowtrail
COPY --from=builder /src/target/release/flowtrail /usr/local/bin/flowtrail
ENV FLOWTRAIL_LISTEN=0.0.0.0:9190 \
    FLOWTRAIL_DATA_DIR=/var/lib/flowtrail
EXPOSE 9190
VOLUME /var/lib/flowtrail
# Ready means: an event sent now will be kept.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:9190/readyz"]
WORKDIR /var/lib/flowtrail
USER 10001
ENTRYPOINT ["flowtrail"]
CMD ["serve"]
