// The gradient that a kernel reads, single values or quads of it, in a storage buffer.
@group(0) @binding(2) var<storage, read> g: array<V>;
fn gradient_at(index: u32) -> V {
    return g[index];
}
