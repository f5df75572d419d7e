// The sums over a convolution's input channels are each those of SLICES invocations, added up in workgroup memory in the order of the
// slices. On a GPU that is what fills it where images are small: one subgroup for 32 pixels and 32 channels would be 32 of them for 512
// channels at 4 x 4 squared, where a large GPU has some 500 schedulers with nothing to do.
//
// The workgroup's invocations are WG of each slice after another. No subgroup is of two slices: WG is a multiple of its size, and
// invocations are dealt out to full subgroups in order, as drivers do with workgroups of one dimension.

override SLICES: u32 = 2u;
override GATHERED: u32 = 8u; // (SLICES - 1) WG, which naga 30 does not compute from overrides that are declared later

struct Octet { a: vec4f, b: vec4f }

var<workgroup> octets: array<Octet, GATHERED>;

fn slice_of(invocation: u32) -> u32 {
    return subgroupBroadcastFirst(invocation / WG); // the same for all of a subgroup, which now the compiler knows too
}

// The whole sums, in the first slice.
fn gathered(sums: Octet, slice: u32, local: u32) -> Octet {
    if (slice > 0u) {
        octets[(slice - 1u) * WG + local] = sums;
    }
    workgroupBarrier();
    var all = sums;
    if (slice == 0u) {
        for (var other = 0u; other + 1u < SLICES; other++) {
            let more = octets[other * WG + local];
            all = Octet(all.a + more.a, all.b + more.b);
        }
    }
    workgroupBarrier();
    return all;
}

