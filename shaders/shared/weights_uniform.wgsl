// Packed weights of a 3x3 convolution as a uniform buffer: 64 KiB, the least that adapters may offer, so that a convolution
// takes a dispatch for every 64 KiB. On software adapters a load is straight code without a loop over the lanes.
@group(0) @binding(2) var<uniform> weights: array<vec4f, 4096>;
fn weight_quad(index: u32) -> vec4f {
    return weights[index];
}
