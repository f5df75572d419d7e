// Winograd's 3x3 convolution F(4x4, 3x3), third part: m[f] = u[f] v[f], 36 products of matrices, [out_channels, in_channels] times
// [in_channels, tiles].
//
// An invocation computes four output channels at 16 tiles, four vec4; those of a workgroup take the channels after them. The tiles'
// vec4 are handed round by subgroupBroadcast, as the windows in conv2d_3x3.wgsl: a lane loads one of two channels. With eight input
// channels at a time a sum is fetched and put back once for eight multiply-adds: 12 loads against 512. Measured alone (llvmpipe,
// two cores of 135 GFLOP/s, images, 128 channels): 66 GFLOP/s with Mesa 22.3 and 74 with 25.0; 32 tiles by four channels 72 and 79, which
// small images leave half empty; one channel at a time 56 and 57.
//
// The whole convolution, in GFLOP/s of the direct sum's operations, of 32, 64, 128, 256 channels at 64, 32, 16, 8 squared, batch 4, where
// that sum has 85 to 109 (conv2d_3x3.wgsl): with weights that stay 57 107 146 139 (Mesa 22.3) and 62 109 150 130 (25.0), with weights that
// are transformed every time 51 102 119 52 and 58 103 126 58. Few channels pay for the transforms of tiles, small images for those of weights.

override WG: u32 = 8u;

struct Params {
    in_channels: u32,  // a multiple of eight
    out_channels: u32, // a multiple of four
    stride: u32,       // vec4 of tiles from one channel to the next, a multiple of four
    tile_blocks: u32,
    channel_blocks: u32,
    workgroups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Bindings 1 and 2 are v, [36, in_channels, stride], and u, [36, in_channels, out_channels / 4]: input_*.wgsl, weights_*.wgsl.
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>; // [36, out_channels, stride]

// The sums of a vec4 of tiles with four output channels.
struct Four { a: vec4f, b: vec4f, c: vec4f, d: vec4f }

// Adds two input channels.
fn add_two(s: Four, u0: vec4f, v0: vec4f, u1: vec4f, v1: vec4f) -> Four {
    return Four(
        s.a + u0.x * v0 + u1.x * v1,
        s.b + u0.y * v0 + u1.y * v1,
        s.c + u0.z * v0 + u1.z * v1,
        s.d + u0.w * v0 + u1.w * v1,
    );
}

fn put(at: u32, stride: u32, s: Four) {
    m[at] = s.a;
    m[at + stride] = s.b;
    m[at + 2u * stride] = s.c;
    m[at + 3u * stride] = s.d;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let p = params;
    let id = linear(workgroup);
    if (id >= p.workgroups) {
        return;
    }
    let rest = quotient(id, p.tile_blocks);
    let tile = (id - rest * p.tile_blocks) * 4u;
    let f = quotient(rest, p.channel_blocks);
    let quad = (rest - f * p.channel_blocks) * WG + local;
    let quads = p.out_channels / 4u;
    let part = lane & 7u;
    var at = (f * p.in_channels + (part >> 2u)) * p.stride + tile + (part & 3u);
    var weight = f * p.in_channels * quads + min(quad, quads - 1u);
    var s0 = Four();
    var s1 = Four();
    var s2 = Four();
    var s3 = Four();
    for (var ci = 0u; ci < p.in_channels; ci += 8u) {
        let v0 = input_at(at);
        let v1 = input_at(at + 2u * p.stride);
        let v2 = input_at(at + 4u * p.stride);
        let v3 = input_at(at + 6u * p.stride);
        let u0 = weight_quad(weight);
        let u1 = weight_quad(weight + quads);
        let u2 = weight_quad(weight + 2u * quads);
        let u3 = weight_quad(weight + 3u * quads);
        let u4 = weight_quad(weight + 4u * quads);
        let u5 = weight_quad(weight + 5u * quads);
        let u6 = weight_quad(weight + 6u * quads);
        let u7 = weight_quad(weight + 7u * quads);
        s0 = add_two(s0, u0, subgroupBroadcast(v0, 0u), u1, subgroupBroadcast(v0, 4u));
        s0 = add_two(s0, u2, subgroupBroadcast(v1, 0u), u3, subgroupBroadcast(v1, 4u));
        s0 = add_two(s0, u4, subgroupBroadcast(v2, 0u), u5, subgroupBroadcast(v2, 4u));
        s0 = add_two(s0, u6, subgroupBroadcast(v3, 0u), u7, subgroupBroadcast(v3, 4u));
        s1 = add_two(s1, u0, subgroupBroadcast(v0, 1u), u1, subgroupBroadcast(v0, 5u));
        s1 = add_two(s1, u2, subgroupBroadcast(v1, 1u), u3, subgroupBroadcast(v1, 5u));
        s1 = add_two(s1, u4, subgroupBroadcast(v2, 1u), u5, subgroupBroadcast(v2, 5u));
        s1 = add_two(s1, u6, subgroupBroadcast(v3, 1u), u7, subgroupBroadcast(v3, 5u));
        s2 = add_two(s2, u0, subgroupBroadcast(v0, 2u), u1, subgroupBroadcast(v0, 6u));
        s2 = add_two(s2, u2, subgroupBroadcast(v1, 2u), u3, subgroupBroadcast(v1, 6u));
        s2 = add_two(s2, u4, subgroupBroadcast(v2, 2u), u5, subgroupBroadcast(v2, 6u));
        s2 = add_two(s2, u6, subgroupBroadcast(v3, 2u), u7, subgroupBroadcast(v3, 6u));
        s3 = add_two(s3, u0, subgroupBroadcast(v0, 3u), u1, subgroupBroadcast(v0, 7u));
        s3 = add_two(s3, u2, subgroupBroadcast(v1, 3u), u3, subgroupBroadcast(v1, 7u));
        s3 = add_two(s3, u4, subgroupBroadcast(v2, 3u), u5, subgroupBroadcast(v2, 7u));
        s3 = add_two(s3, u6, subgroupBroadcast(v3, 3u), u7, subgroupBroadcast(v3, 7u));
        at += 8u * p.stride;
        weight += 8u * quads;
    }
    if (quad < quads) {
        let into = (f * p.out_channels + 4u * quad) * p.stride + tile;
        put(into, p.stride, s0);
        put(into + 1u, p.stride, s1);
        put(into + 2u, p.stride, s2);
        put(into + 3u, p.stride, s3);
    }
}
