// A tile of g times a window of x, for conv2d_3x3_grad_weight.wgsl, as the sum that it is: 144 multiply-adds of 2 x 8 pixels.

alias Factor = Tile;
alias Sum = Taps;

// A row of the window: the value left of the tile, its eight columns, and the value right of it.
struct Line { l: f32, a: vec4f, b: vec4f, r: f32 }
struct Window { i0: Line, i1: Line, i2: Line, i3: Line }

// Two rows of the window from a load: the quads left of, in, in and right of the tile, of one row and of the next.
fn upper(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v.x, 3u));
}

fn lower(v: vec4f) -> Line {
    return Line(subgroupBroadcast(v.w, 4u), subgroupBroadcast(v, 5u), subgroupBroadcast(v, 6u), subgroupBroadcast(v.x, 7u));
}

fn window(u: vec4f, v: vec4f, lane: u32) -> Window {
    return Window(upper(u), lower(u), upper(v), lower(v));
}

fn factor(g: Tile) -> Factor {
    return g;
}

// One row of g on one row of the window, for the three horizontal taps.
fn row_taps(g: Row, i: Line) -> vec3f {
    let right_of_a = select(i.b.x, 0.0, PAIRED == 1u);
    let left_of_b = select(i.a.w, 0.0, PAIRED == 1u);
    return vec3f(
        dot(g.lo, vec4f(i.l, i.a.xyz)) + dot(g.hi, vec4f(left_of_b, i.b.xyz)),
        dot(g.lo, i.a) + dot(g.hi, i.b),
        dot(g.lo, vec4f(i.a.yzw, right_of_a)) + dot(g.hi, vec4f(i.b.yzw, i.r)),
    );
}

fn add_tile(s: Sum, g: Factor, x: Window) -> Sum {
    return Sum(
        s.top + row_taps(g.r0, x.i0) + row_taps(g.r1, x.i1),
        s.middle + row_taps(g.r0, x.i1) + row_taps(g.r1, x.i2),
        s.bottom + row_taps(g.r0, x.i2) + row_taps(g.r1, x.i3),
    );
}

fn taps_of(s: Sum) -> Taps {
    return s;
}
