// A tile of g times a window of x, for conv2d_3x3_grad_weight.wgsl, by Winograd's algorithm F(3x3, 2x2): 64 multiply-adds of 2 x 8 pixels
// instead of 144. For every 2 x 2 pixels of g the nine taps are A' [(G g G') * (B' d B)] A of the 4 x 4 values d of x around them, where * is
// element by element and
//     B' = -1  0  1  0     G = 1  0     A' = -1  1/2  1/2  0
//           0  1  1  0         1  1           0  1/2 -1/2  0
//           0 -1  1  0         1 -1           0  1/2  1/2  1
//           0 -1  0  1         0  1
// Both transforms are sums and differences; A' is applied once, to the sums of all pixels. x is transformed before it is handed round. The
// lanes hold two rows of quads: two of the vertical differences are one load less the other, the other two need what the lanes four away hold.

// 4 x 4 values, in rows.
struct Square { r0: vec4f, r1: vec4f, r2: vec4f, r3: vec4f }
// Those of the four 2 x 2 pixels of a tile, from left to right, or of the windows around them.
struct Squares { a: Square, b: Square, c: Square, d: Square }
alias Factor = Squares;
alias Window = Squares;
alias Sum = Square;

// Of the two windows around a quad, columns -1 to 2 of it and 1 to 4, a row each, transformed.
struct RowPair { first: vec4f, second: vec4f }

fn transformed_row(v: vec4f, lane: u32) -> RowPair {
    var left = 0.0;
    var right = 0.0;
    if (PAIRED == 0u) {
        // The quads left and right of lanes 1, 2, 5 and 6, the only ones that count.
        let odd = (lane & 1u) == 1u;
        left = subgroupShuffle(v.w, lane ^ select(3u, 1u, odd));
        right = subgroupShuffle(v.x, lane ^ select(1u, 3u, odd));
    }
    return RowPair(
        vec4f(v.y - left, v.x + v.y, v.y - v.x, v.z - v.x),
        vec4f(v.w - v.y, v.z + v.w, v.w - v.z, right - v.z),
    );
}

// u and v are two rows of the window each: the quads left of, in, in and right of the tile, of one row and of the next.
fn window(u: vec4f, v: vec4f, lane: u32) -> Window {
    let below = (lane & 4u) == 4u;
    let inner_row = select(v, u, below);
    let other = subgroupShuffle(inner_row, lane ^ 4u);
    let outer = transformed_row(v - u, lane); // the square's rows 0 and 3
    let inner = transformed_row(select(other + inner_row, other - inner_row, below), lane); // and 1 and 2
    return Window(
        square_of_1(outer.first, inner.first),
        square_of_1(outer.second, inner.second),
        square_of_2(outer.first, inner.first),
        square_of_2(outer.second, inner.second),
    );
}

// The square that lanes 1 and 5 hold, the tile's left quad, and that of lanes 2 and 6, its right one.
fn square_of_1(outer: vec4f, inner: vec4f) -> Square {
    return Square(
        subgroupBroadcast(outer, 1u),
        subgroupBroadcast(inner, 1u),
        subgroupBroadcast(inner, 5u),
        subgroupBroadcast(outer, 5u),
    );
}

fn square_of_2(outer: vec4f, inner: vec4f) -> Square {
    return Square(
        subgroupBroadcast(outer, 2u),
        subgroupBroadcast(inner, 2u),
        subgroupBroadcast(inner, 6u),
        subgroupBroadcast(outer, 6u),
    );
}

fn transformed_pair(g: vec2f) -> vec4f {
    return vec4f(g.x, g.x + g.y, g.x - g.y, g.y);
}

fn transformed_square(upper: vec2f, lower: vec2f) -> Square {
    return Square(
        transformed_pair(upper),
        transformed_pair(upper + lower),
        transformed_pair(upper - lower),
        transformed_pair(lower),
    );
}

fn factor(g: Tile) -> Factor {
    return Factor(
        transformed_square(g.r0.lo.xy, g.r1.lo.xy),
        transformed_square(g.r0.lo.zw, g.r1.lo.zw),
        transformed_square(g.r0.hi.xy, g.r1.hi.xy),
        transformed_square(g.r0.hi.zw, g.r1.hi.zw),
    );
}

fn add_tile(s: Sum, g: Factor, x: Window) -> Sum {
    return Sum(
        s.r0 + ((g.a.r0 * x.a.r0 + g.b.r0 * x.b.r0) + (g.c.r0 * x.c.r0 + g.d.r0 * x.d.r0)),
        s.r1 + ((g.a.r1 * x.a.r1 + g.b.r1 * x.b.r1) + (g.c.r1 * x.c.r1 + g.d.r1 * x.d.r1)),
        s.r2 + ((g.a.r2 * x.a.r2 + g.b.r2 * x.b.r2) + (g.c.r2 * x.c.r2 + g.d.r2 * x.d.r2)),
        s.r3 + ((g.a.r3 * x.a.r3 + g.b.r3 * x.b.r3) + (g.c.r3 * x.c.r3 + g.d.r3 * x.d.r3)),
    );
}

fn taps_of_row(v: vec4f) -> vec3f {
    let half = 0.5 * (v.y + v.z);
    return vec3f(half - v.x, 0.5 * (v.y - v.z), half + v.w);
}

fn taps_of(s: Sum) -> Taps {
    let half = 0.5 * (s.r1 + s.r2);
    return Taps(taps_of_row(half - s.r0), taps_of_row(0.5 * (s.r1 - s.r2)), taps_of_row(half + s.r3));
}
