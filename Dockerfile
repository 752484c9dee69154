# syntax=docker/dockerfile:1
# The image has one program, the list of its dependencies (/usr/local/share/sbom) and no shell, and does not run as root.
# Both stages are pinned by version; to pin them by content too, append the digests that your registry shows (name:tag@sha256:...).

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# The image has the pinned toolchain; rustup adds only the tool that reads the profile of the first build.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
RUN rustup component add llvm-tools \
 && apt-get -q update \
 && apt-get -q -y --no-install-recommends install nginx-light nghttp2-client openssl python3 wrk \
 && rm -rf /var/lib/apt/lists/*
# These list the program's dependencies, in it and next to it. The versions are those of scripts/lib.sh.
RUN cargo install --locked cargo-auditable@0.7.7 cargo-cyclonedx@0.5.9
COPY . .
RUN cargo fetch --locked
# From here on nothing comes from the network: the program is built, profiled under load on loopback, and built again.
ENV CARGO_NET_OFFLINE=true
RUN --network=none scripts/build-release \
 && scripts/check-binary target/profiled/vestibule \
 && install -D -m 0755 target/profiled/vestibule /image/usr/local/bin/vestibule \
 && install -D -m 0644 target/profiled/vestibule.cdx.json /image/usr/local/share/sbom/vestibule.cdx.json \
 && install -d -m 0700 -o 65532 -g 65532 /image/var/lib/vestibule

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=0:0 /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib/vestibule /var/lib/vestibule
# Relative paths in the configuration, such as the embedded store's, start here: mount a volume on it. Nothing else is
# written: the root file system may be read-only, and no capability is needed (docs/operating.md).
WORKDIR /var/lib/vestibule
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/vestibule"]
CMD ["serve"]
