// Rows of the window of a 3x3 convolution, for kernels without subgroups: the value left of a quad, its four columns, and the value right of
// it. Normalised as they are loaded (scales.wgsl), and zeros outside of the image.
struct Line { l: f32, a: vec4f, r: f32 }

// The line whose quad lies at a place of the image, which for one outside, not `inside`, is any. `left` and `right` are 1 where there is a quad
// beside it, else 0.
fn line(at: u32, left: u32, right: u32, inside: bool, scale: vec2f) -> Line {
    let l = f32(x[at - left].w) * scale.x + scale.y;
    let r = f32(x[at + right].x) * scale.x + scale.y;
    return Line(
        select(0.0, l, inside && left == 1u),
        select(vec4f(), scaled(input_at(at), scale), inside),
        select(0.0, r, inside && right == 1u),
    );
}
