// A view's place in its buffer is a vec2u: the values before its first one, and the values from one sample to the next.

// Workgroups are numbered through the first two dimensions of the grid; no dimension takes more than 65535.
fn linear(workgroup: vec3u) -> u32 {
    return workgroup.x + workgroup.y * 65535u;
}
