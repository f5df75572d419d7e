// 3x3 convolution, stride 1, padding 1, on cooperative matrices: y = activation(conv(x, w) + bias), of halves with sums in single
// precision. A matrix is TILE x TILE, 8 or 16 along a side (tiles_8.wgsl, tiles_16.wgsl), and belongs to a subgroup.
//
// An implicit product of matrices: for every tap, weights [TILE output channels, TILE input channels] times pixels [TILE input
// channels, TILE pixels of a row, shifted by the tap]. A workgroup of four subgroups computes 8 rows x TILE columns of
// 2 TILE output channels, a subgroup two of the rows: four sums, which a tap feeds from two loads of weights and two of pixels.
// The window of TILE input channels is staged as halves with the channels of a pixel next to each other, so that a matrix of
// pixels, whatever the tap, is a run of whole columns: matrices are to be loaded from multiples of 16 bytes.
// Weights come packed matrix by matrix (conv2d_3x3_cooperative_pack.wgsl), zeros where there is no channel.
//
// Error: what is lost is what rounding loses: of the weights, and of x where it is not stored as halves or is normalised here, 2^-11
// of each. Products of halves are exact in single precision, sums are those of any convolution. Six steps of a sampler: 0.0012
// of the result (0.0006 with the kernels that compute in single precision on stored halves).
// Prediction, since no adapter with matrix units was at hand: 16 operations for every byte that a matrix is loaded from workgroup
// memory or cache. That alone is at most 460 TFLOP/s of an H100's 29 TB/s: half of its matrix units, seven times its single precision. But
// staging a window is 22.5 values a lane, one by one, for 36 products of matrices, which leaves 100 to 150 (benches/predictions.md).
// Run on Mesa 26.2's llvmpipe, which computes matrices in software and calls 8 x 8 its own.

override WG: u32 = 32u; // four subgroups

struct Params {
    x: vec2u, // offset, stride
    y: vec2u,
    scales: vec2u,
    in_channels: u32,
    out_channels: u32,
    height: u32,
    width: u32,
    tiles_x: u32,
    tiles_y: u32,
    blocks: u32, // of 2 TILE output channels
    workgroups: u32,
    bias_offset: u32,
    start: u32, // where the sums start: 0 at zero, 1 at the bias, 2 at y
    activation: u32,
    normalise: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<In>;         // [N, C, H, W]
@group(0) @binding(2) var<storage, read> weights: array<f16>;  // [Cout / TILE, Cin / TILE, tap, TILE, TILE]
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [Cout]
@group(0) @binding(4) var<storage, read_write> y: array<Out>;  // [N, Cout, H, W]
@group(0) @binding(5) var<storage, read> scales: array<vec2f>; // [N, Cin]: scale, shift

const MATRIX = TILE * TILE;
const ROWS = 8u;
const WINDOW_ROWS = ROWS + 2u;
const WINDOW_COLUMNS = TILE + 2u;

var<workgroup> window: array<f16, WINDOW_ROWS * WINDOW_COLUMNS * TILE>; // [row][column][channel]
var<workgroup> sums: array<f32, 4u * MATRIX>;                           // a matrix of each subgroup

// Where the workgroup's part of the output lies.
struct Place { inside: bool, n: u32, co: u32, row: u32, column: u32 }

fn load_window(p: Params, to: Place, first_channel: u32, local: u32) {
    let first_scale = (p.scales.x + to.n * p.scales.y) / 2u;
    for (var i = local; i < WINDOW_ROWS * WINDOW_COLUMNS * TILE; i += WG) {
        let within = i % (WINDOW_ROWS * WINDOW_COLUMNS);
        let channel = i / (WINDOW_ROWS * WINDOW_COLUMNS);
        let ci = first_channel + channel;
        // One less than the place in the image: left of and above it these wrap to large numbers.
        let row = to.row + within / WINDOW_COLUMNS - 1u;
        let column = to.column + within % WINDOW_COLUMNS - 1u;
        var value = 0.0;
        if (to.inside && ci < p.in_channels && row < p.height && column < p.width) {
            let at = p.x.x + to.n * p.x.y + (ci * p.height + row) * p.width + column;
            let scale = load_scale(first_scale + ci, p.normalise);
            value = f32(x[at]) * scale.x + scale.y;
        }
        window[within * TILE + channel] = f16(value);
    }
}

// Writes the matrix of sums that lies in workgroup memory: TILE channels from `co` on, TILE columns of `row`.
fn put(p: Params, to: Place, co: u32, row: u32, mine: u32, lane: u32) {
    for (var i = lane; i < MATRIX; i += WG / 4u) {
        let channel = co + i / TILE;
        let column = to.column + i % TILE;
        if (to.inside && channel < p.out_channels && row < p.height && column < p.width) {
            let at = p.y.x + to.n * p.y.y + (channel * p.height + row) * p.width + column;
            var value = sums[mine + i];
            if (p.start == 1u) {
                value += bias[p.bias_offset + channel];
            } else if (p.start == 2u) {
                value += f32(y[at]);
            }
            y[at] = Out(activate(value, p.activation));
        }
    }
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(local_invocation_index) local: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let p = params;
    // Past the end, where others return: the loop runs, since matrix operations want uniform control flow, on nothing.
    let id = linear(workgroup);
    let block = remainder(id, p.blocks);
    let tile_x = remainder(quotient(id, p.blocks), p.tiles_x);
    let tile_y = remainder(quotient(quotient(id, p.blocks), p.tiles_x), p.tiles_y);
    let n = quotient(quotient(quotient(id, p.blocks), p.tiles_x), p.tiles_y);
    let to = Place(id < p.workgroups, n, block * 2u * TILE, tile_y * ROWS, tile_x * TILE);

    let in_tiles = (p.in_channels + TILE - 1u) / TILE;
    let next_outputs = in_tiles * 9u * MATRIX; // from the weights of TILE output channels to the next ones'
    var at = block * 2u * next_outputs;
    // First number: output channels; second: row.
    var c00 = Sums();
    var c01 = Sums();
    var c10 = Sums();
    var c11 = Sums();
    for (var tile = 0u; tile < in_tiles; tile++) {
        workgroupBarrier();
        load_window(p, to, tile * TILE, local);
        workgroupBarrier();
        for (var tap = 0u; tap < 9u; tap++) {
            let w0 = coopLoadT<Weights>(&weights[at], TILE);
            let w1 = coopLoadT<Weights>(&weights[at + next_outputs], TILE);
            let first = ((subgroup * 2u + tap / 3u) * WINDOW_COLUMNS + tap % 3u) * TILE;
            let x0 = coopLoad<Pixels>(&window[first], TILE);
            let x1 = coopLoad<Pixels>(&window[first + WINDOW_COLUMNS * TILE], TILE);
            c00 = coopMultiplyAdd(w0, x0, c00);
            c01 = coopMultiplyAdd(w0, x1, c01);
            c10 = coopMultiplyAdd(w1, x0, c10);
            c11 = coopMultiplyAdd(w1, x1, c11);
            at += MATRIX;
        }
    }
    let mine = subgroup * MATRIX;
    let row = to.row + subgroup * 2u;
    coopStoreT(c00, &sums[mine], TILE);
    workgroupBarrier();
    put(p, to, to.co, row, mine, lane);
    workgroupBarrier();
    coopStoreT(c01, &sums[mine], TILE);
    workgroupBarrier();
    put(p, to, to.co, row + 1u, mine, lane);
    workgroupBarrier();
    coopStoreT(c10, &sums[mine], TILE);
    workgroupBarrier();
    put(p, to, to.co + TILE, row, mine, lane);
    workgroupBarrier();
    coopStoreT(c11, &sums[mine], TILE);
    workgroupBarrier();
    put(p, to, to.co + TILE, row + 1u, mine, lane);
}
