# Ternmark on Debian slim: docker build -t ternmark . && docker run --rm -v "$PWD:/work" ternmark gate
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make git && rm -rf /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
RUN make build && make install DESTDIR=/image PREFIX=/usr

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
      libluajit-5.1-2 libjansson4 libhwloc15 libsqlite3-0 libpq5 libseccomp2 libnettle8 zlib1g libgomp1 gnuplot-nox fonts-dejavu-core git make gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /image /
WORKDIR /work
ENTRYPOINT ["ternmark"]
