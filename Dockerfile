# syntax=docker/dockerfile:1
# The image: one program, no shell, not root. Both stages are pinned by version; to pin them by content too,
# append the digests that your registry shows (name:tag@sha256:...).

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# The toolchain of the image is the pinned one; rustup has nothing to add to it.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
COPY . .
RUN cargo fetch --locked
# From here on nothing comes from the network.
RUN --network=none cargo build --locked --offline --release --bin vestibule \
 && install -D -m 0755 target/release/vestibule /image/usr/local/bin/vestibule \
 && install -d -m 0700 -o 65532 -g 65532 /image/var/lib/vestibule

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=0:0 /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib/vestibule /var/lib/vestibule
# Relative paths in the configuration (the embedded store's) lead here: mount a volume on it.
WORKDIR /var/lib/vestibule
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/vestibule"]
CMD ["serve"]
