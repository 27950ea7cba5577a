# Only names for commands; what they do stands in .cargo/config.toml and scripts/.

# All that CI checks; changes nothing.
verify:
    bash .ci/run

# Rewrites what a machine can rewrite.
fix:
    cargo fmt --all
    cargo fix-all

# All tests, with what they need.
test:
    bash scripts/test

# Three servers and two clients on this machine; `examples/cluster/down` stops them.
cluster:
    examples/cluster/up

demo:
    cargo demo

bench:
    cargo bench-troupe

tidy:
    cargo tidy
