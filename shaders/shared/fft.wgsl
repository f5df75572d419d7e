// Fourier transform of one line by one workgroup: Stockham's, radix 4 while the length allows, radix 2 once more if it is
// even still, then a direct sum over the odd rest R, whose factors lie in a table. About 5 L log2(L / R) + 8 L R operations; a
// stage costs a barrier. All in workgroup memory, from which LENGTH <= 1024 fits into the 16 KiB that every adapter has.

override LENGTH: u32 = 64u;
override STAGES: u32 = 6u; // how often 2 divides LENGTH
override WG: u32 = 64u;

// The line, and where the next stage or the table goes; the two change places.
var<workgroup> data: array<vec2f, 2u * LENGTH>;

// exp(i sign 2 pi j / n) for 0 <= j < n: the nearest quarter of a turn and the rest in integers, by comparisons, since a
// division costs more than all else; polynomials on at most an eighth.
fn root(j: u32, n: u32, sign: f32) -> vec2f {
    let quarter = dot(select(vec4u(0u), vec4u(1u), vec4u(8u * j) >= n * vec4u(1u, 3u, 5u, 7u)), vec4u(1u));
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

// A stage of radix 4 from `line` to `into`, after transforms of length 2^bits.
fn radix_4(local: u32, line: u32, into: u32, bits: u32, sign: f32) {
    for (var b = local; b < LENGTH / 4u; b += WG) {
        let first = data[line + b];
        let second = data[line + b + LENGTH / 4u];
        let third = data[line + b + LENGTH / 2u];
        let fourth = data[line + b + LENGTH / 4u * 3u];
        let even = first + third;
        let odd = second + fourth;
        let apart = first - third;
        let turned = sign * vec2f(fourth.y - second.y, second.x - fourth.x); // (second - fourth) times i or -i
        let j = b >> bits;
        let w = root(j, LENGTH >> bits, sign);
        let square = times(w, w);
        let at = into + b + 3u * (j << bits);
        data[at] = even + odd;
        data[at + (1u << bits)] = times(apart + turned, w);
        data[at + (2u << bits)] = times(even - odd, square);
        data[at + (3u << bits)] = times(apart - turned, times(w, square));
    }
}

fn radix_2(local: u32, line: u32, into: u32, bits: u32, sign: f32) {
    for (var b = local; b < LENGTH / 2u; b += WG) {
        let first = data[line + b];
        let second = data[line + b + LENGTH / 2u];
        let j = b >> bits;
        let at = into + b + (j << bits);
        data[at] = first + second;
        data[at + (1u << bits)] = times(first - second, root(j, LENGTH >> bits, sign));
    }
}

// Transforms the line in the first half of `data`, which has been written without a barrier since; returns where it is then.
// A direct sum remains for `transformed`.
fn transform(local: u32, sign: f32) -> u32 {
    var line = 0u;
    for (var bits = 0u; bits + 1u < STAGES; bits += 2u) {
        workgroupBarrier();
        radix_4(local, line, LENGTH - line, bits, sign);
        line = LENGTH - line;
    }
    if (STAGES % 2u == 1u) {
        workgroupBarrier();
        radix_2(local, line, LENGTH - line, STAGES - 1u, sign);
        line = LENGTH - line;
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
    // In parts: the rounding of one long sum grows with its length, not with the root of it.
    var sum = vec2f();
    for (var start = 0u; start < rest; start += 32u) {
        var part = vec2f();
        for (var j = start; j < min(start + 32u, rest); j++) {
            part += times(data[first + j * interleaved], data[LENGTH - line + turn]);
            turn += step;
            turn -= select(0u, rest, turn >= rest);
        }
        sum += part;
    }
    return sum;
}
