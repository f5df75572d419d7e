// The sum of one value of each invocation of a workgroup, in a tree, whose order is always the same. A shader says what a Share is, and
// declares WG, a power of two.

var<workgroup> shares: array<Share, WG>;

// In the first invocation the sum; in the others what they have on the way.
fn sum_in_first(mine: Share, local: u32) -> Share {
    shares[local] = mine;
    for (var width = WG / 2u; width > 0u; width >>= 1u) {
        workgroupBarrier();
        if (local < width) {
            shares[local] += shares[local + width];
        }
    }
    return shares[local];
}

// The sum in every invocation.
fn sum_in_all(mine: Share, local: u32) -> Share {
    sum_in_first(mine, local);
    workgroupBarrier();
    return shares[0];
}
