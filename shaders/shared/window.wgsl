// A window of 6 lines and a tile of 4 rows of a 3x3 convolution, one output channel's: what the kernels with subgroups and without have in common.
// A Line is a line of the window and a Row one of the tile, which add_line makes of them.
struct Window { i0: Line, i1: Line, i2: Line, i3: Line, i4: Line, i5: Line }
struct Tile { r0: Row, r1: Row, r2: Row, r3: Row }
struct Taps { top: vec3f, middle: vec3f, bottom: vec3f }

fn taps(top: vec3f, middle: vec3f, bottom: vec3f) -> Taps {
    if (REVERSED == 1u) {
        return Taps(bottom.zyx, middle.zyx, top.zyx);
    }
    return Taps(top, middle, bottom);
}

fn add_lines(sum: Row, w: Taps, i: Line, j: Line, k: Line) -> Row {
    return add_line(add_line(add_line(sum, w.top, i), w.middle, j), w.bottom, k);
}

fn add_channel(sum: Tile, w: Taps, v: Window) -> Tile {
    return Tile(
        add_lines(sum.r0, w, v.i0, v.i1, v.i2),
        add_lines(sum.r1, w, v.i1, v.i2, v.i3),
        add_lines(sum.r2, w, v.i2, v.i3, v.i4),
        add_lines(sum.r3, w, v.i3, v.i4, v.i5),
    );
}
