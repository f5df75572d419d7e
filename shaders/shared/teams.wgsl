// Kernels that sum over planes: TEAM invocations share a plane, and a workgroup has as many teams as fit. A plane of a few items wants
// a small team, or most of a workgroup has nothing to do. A team of one sums without a barrier.
override WG: u32 = 64u;
override TEAM: u32 = WG;

// Of which plane the invocation's team is.
fn plane_of(workgroup: vec3u, local: u32) -> u32 {
    return linear(workgroup) * (WG / TEAM) + local / TEAM;
}
