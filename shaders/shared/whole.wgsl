// The sums over a convolution's input channels are each those of one invocation (slices.wgsl: of several).

const SLICES = 1u;

fn slice_of(invocation: u32) -> u32 {
    return 0u;
}

struct Octet { a: vec4f, b: vec4f }

fn gathered(sums: Octet, slice: u32, local: u32) -> Octet {
    return sums;
}

