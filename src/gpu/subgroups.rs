//! How many invocations a subgroup has.

use wgpu::{Backend, DeviceType};

/// The least and the most invocations of a subgroup, of an adapter that wgpu describes so.
///
/// That is what wgpu says, but on Metal: it does not ask there and always says 4 and 64. Apple's own GPUs (named "Apple M1", "Apple A14
/// GPU" and so on), all of those that have subgroup operations, have 32. Others that Metal drives, Intel's and AMD's, and the
/// paravirtual one of virtual machines stay at what wgpu says.
pub(super) fn sizes(backend: Backend, kind: DeviceType, name: &str, [least, most]: [u32; 2]) -> [u32; 2] {
    let hardware = matches!(kind, DeviceType::IntegratedGpu | DeviceType::DiscreteGpu);
    let apples = name.starts_with("Apple ") && !name.contains("Paravirtual");
    if backend == Backend::Metal && hardware && apples { [32; 2] } else { [least, most] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apples_gpus_have_32_and_others_what_wgpu_says() {
        use Backend::{Dx12, Metal, Vulkan};
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other, VirtualGpu};
        for (backend, kind, name, said, expected) in [
            (Metal, IntegratedGpu, "Apple M1", [4, 64], [32, 32]),
            (Metal, IntegratedGpu, "Apple M3 Max", [4, 64], [32, 32]),
            (Metal, IntegratedGpu, "Apple A14 GPU", [4, 64], [32, 32]),
            (Metal, DiscreteGpu, "Apple M2 Ultra", [4, 64], [32, 32]),
            (Metal, IntegratedGpu, "Apple Paravirtual device", [4, 64], [4, 64]),
            (Metal, Other, "Apple M1", [4, 64], [4, 64]),
            (Metal, VirtualGpu, "Apple M1", [4, 64], [4, 64]),
            (Metal, DiscreteGpu, "AMD Radeon Pro 5500M", [4, 64], [4, 64]),
            (Metal, IntegratedGpu, "Intel(R) Iris(TM) Plus Graphics 655", [4, 64], [4, 64]),
            // The same chip behind a Vulkan driver, which was asked.
            (Vulkan, IntegratedGpu, "Apple M1", [32, 32], [32, 32]),
            (Vulkan, IntegratedGpu, "Apple M1", [4, 64], [4, 64]),
            (Vulkan, DiscreteGpu, "NVIDIA H200", [32, 32], [32, 32]),
            (Vulkan, DiscreteGpu, "AMD Radeon RX 7900 XTX (RADV NAVI31)", [32, 64], [32, 64]),
            (Vulkan, Cpu, "llvmpipe (LLVM 19.1.7, 256 bits)", [8, 8], [8, 8]),
            (Dx12, IntegratedGpu, "Intel(R) UHD Graphics 770", [8, 32], [8, 32]),
        ] {
            assert_eq!(sizes(backend, kind, name, said), expected, "{name} by {backend:?} as {kind:?}");
        }
    }
}
