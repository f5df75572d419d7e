// The second map that a kernel reads, a gradient perhaps, single values or quads of it, in a storage buffer.
@group(0) @binding(2) var<storage, read> second: array<V>;
fn second_at(index: u32) -> V {
    return second[index];
}
