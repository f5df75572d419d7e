// The values of four neighbouring lanes, the first of which is a multiple of four, so that one of them may store them as a vec4: where two
// invocations store components of one, some of what is written may be lost. Lanes are numbered as the invocations of a line are.
fn of_four(value: f32, lane: u32) -> vec4f {
    let first = lane & ~3u;
    return vec4f(
        subgroupShuffle(value, first),
        subgroupShuffle(value, first + 1u),
        subgroupShuffle(value, first + 2u),
        subgroupShuffle(value, first + 3u),
    );
}

// The same of two lanes with two values each.
fn of_two(value: vec2f, lane: u32) -> vec4f {
    let first = lane & ~1u;
    return vec4f(subgroupShuffle(value, first), subgroupShuffle(value, first + 1u));
}
