// The map or the weights that a kernel reads, single values or quads of them, in a storage buffer.
@group(0) @binding(1) var<storage, read> x: array<VIn>;
fn input_at(index: u32) -> V {
    return V(x[index]);
}
