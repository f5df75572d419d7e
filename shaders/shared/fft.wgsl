// Fourier transform of one line by one workgroup: radix-2 Stockham while the length is even, then a direct sum over the odd
// rest R, whose factors lie in a table. About 5 L log2(L / R) + 8 L R operations; a stage costs a barrier. All in workgroup
// memory, from which LENGTH <= 1024 fits into the 16 KiB that every adapter has.

override LENGTH: u32 = 64u;
override STAGES: u32 = 6u; // how often 2 divides LENGTH
override WG: u32 = 64u;

// The line, and where the next stage or the table goes; the two change places.
var<workgroup> data: array<vec2f, 2u * LENGTH>;

// exp(i sign 2 pi j / n) for 0 <= j < n: the quarter of a turn and the rest in integers, polynomials on at most an eighth.
fn root(j: u32, n: u32, sign: f32) -> vec2f {
    let quarter = (8u * j + n) / (2u * n);
    let x = f32(i32(4u * j) - i32(quarter * n)) * (1.57079633 / f32(n));
    let q = x * x;
    let s = x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q * (1.0 / 362880.0)))));
    let c = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0 - q * (1.0 / 3628800.0)))));
    let turn = quarter & 3u;
    var z = select(vec2f(c, s), vec2f(-s, c), (turn & 1u) == 1u);
    z = select(z, -z, turn >= 2u);
    return vec2f(z.x, sign * z.y);
}

fn times(a: vec2f, b: vec2f) -> vec2f {
    return vec2f(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

// Transforms the line in the first half of `data`, which has been written without a barrier since; returns where it is then.
// A direct sum remains for `transformed`.
fn transform(local: u32, sign: f32) -> u32 {
    var line = 0u;
    for (var stage = 0u; stage < STAGES; stage++) {
        workgroupBarrier();
        let done = 1u << stage; // transforms interleaved so far
        let into = LENGTH - line;
        for (var b = local; b < LENGTH / 2u; b += WG) {
            let even = data[line + b];
            let odd = data[line + b + LENGTH / 2u];
            let j = b >> stage;
            let at = into + b + j * done;
            data[at] = even + odd;
            data[at + done] = times(even - odd, root(j, LENGTH >> stage, sign));
        }
        line = into;
    }
    let rest = LENGTH >> STAGES;
    workgroupBarrier();
    if (rest > 1u) {
        for (var j = local; j < rest; j += WG) {
            data[LENGTH - line + j] = root(j, rest, sign);
        }
    }
    workgroupBarrier();
    return line;
}

// Value k of the line that `transform` left at `line`.
fn transformed(line: u32, k: u32) -> vec2f {
    let rest = LENGTH >> STAGES;
    if (rest == 1u) {
        return data[line + k];
    }
    let interleaved = 1u << STAGES;
    let first = line + k % interleaved;
    let step = k / interleaved;
    var turn = 0u;
    var sum = vec2f();
    for (var j = 0u; j < rest; j++) {
        sum += times(data[first + j * interleaved], data[LENGTH - line + turn]);
        turn += step;
        turn -= select(0u, rest, turn >= rest);
    }
    return sum;
}
