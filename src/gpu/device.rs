//! Opening a device: which adapter, which features and limits, and what its errors become.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use super::choices::Choices;
use super::failures::Failures;
use super::pipeline::{Pipeline, PipelineCache, Specialisation};
use super::submission::Submission;
use super::{image, subgroups};
use crate::{Error, Result};

/// How to open a device.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Part of an adapter's name (case does not matter), or its number in [`adapters`]. `None` reads the environment
    /// variable `CVDM_ADAPTER`, and without that takes the fastest kind there is: discrete, integrated, virtual, CPU.
    pub adapter: Option<String>,
    /// Compile shaders with wgpu's bounds checks and loop bounding. Off by default: the shaders are this crate's own
    /// and are tested in both modes.
    pub checked_shaders: bool,
    /// Pretend that the adapter has no subgroup operations, so that the kernels without them run.
    pub without_subgroups: bool,
    /// Deal work out as for a GPU though the adapter is a CPU, so that what GPUs run can be tried there, slowly and with small tensors: loops
    /// that Mesa's llvmpipe would end early are refused, not dealt out.
    pub as_gpu: bool,
    /// Measure once, when a shape is first recorded, which of several kernels is fastest on this device, and keep the answers in a file in this
    /// folder. `None`: a fixed choice.
    ///
    /// Some answers change a result in its last digits: those about weight gradients, and on GPUs those about slices of a convolution's channels
    /// (the order of a sum, or [an algorithm](crate::kernels::conv2d_3x3_grad_weight::Variant::winograd) that rounds 1.4 times as much) and those for
    /// kernels without subgroups, behind which a norm takes its moments from the map.
    /// [Winograd's algorithm for maps](crate::kernels::winograd) rounds a few times as much. For halves, direct sums and
    /// [matrices](OpenOptions::matrices) differ by the rounding of normalised inputs. The batch is part of a shape, so a sample may differ by as
    /// much from one size of group to another.
    pub tuning: Option<PathBuf>,
    /// Use the adapter's cooperative matrices (tensor cores), where it has those that [`Caps::matrices`] names: convolutions of
    /// halves run on them, or with [tuning](OpenOptions::tuning) where that is faster. Off by default, since to wgpu they are an experiment: naga
    /// 30 does not mark what invocations share in workgroup memory as Vulkan's memory model asks, which a driver could take for leave to reorder
    /// it (wgpu's issue 8805). `cargo test --test conv2d_3x3_cooperative` compares with a reference on the adapter at hand.
    pub matrices: bool,
    /// Whether loads from buffers are to be taken as [slow](Caps::slow_buffers); `None` asks the adapter and the processor. Results are the
    /// same, bit for bit.
    pub slow_buffers: Option<bool>,
    /// Pretend that a storage binding holds no more bytes than this, so that batches are split as on a smaller adapter.
    pub max_binding: Option<u64>,
}

/// What an adapter is, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The name that the driver gives.
    pub name: String,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Discrete, integrated, virtual or CPU.
    pub kind: String,
    /// The driver and its version.
    pub driver: String,
}

/// What the kernels may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Subgroup operations, with every subgroup at least 8 invocations wide.
    pub subgroups: bool,
    /// The least and the most invocations of a subgroup.
    pub subgroup_sizes: [usize; 2],
    /// The most invocations of a workgroup.
    pub max_invocations: usize,
    /// Tensors of half precision, computed with in single precision.
    pub halves: bool,
    /// Cooperative matrices, if they were [asked for](OpenOptions::matrices).
    pub matrices: Option<Matrices>,
    /// GPU timestamps on passes.
    pub timestamps: bool,
    /// The adapter is a CPU, and to be treated as one: it has few threads, and per-invocation loads are what costs, from buffers more than from
    /// [images](crate::kernels::Call::bind_image).
    pub software: bool,
    /// Loads from buffers are several times as slow as from [images](crate::kernels::Call::bind_image), copies included: those kernels that read
    /// much read images even of what they read once. So it is with Mesa's llvmpipe before 25 on processors without AVX-512, where it passes every value
    /// that a lane loads through memory (`shaders/shared/image.wgsl`).
    pub slow_buffers: bool,
    /// Loops of many iterations may be ended early, without a word, as Mesa's llvmpipe does: those are refused.
    pub ends_loops: bool,
    /// Largest image, in bytes.
    pub max_image: u64,
    /// Largest storage binding, in bytes.
    pub max_binding: u64,
    /// Largest buffer, in bytes.
    pub max_buffer: u64,
    /// Largest number of workgroups along one dimension of a dispatch.
    pub max_workgroups: u32,
}

/// Square cooperative matrices of halves, with sums in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrices {
    /// Rows and columns: 8 or 16.
    pub side: usize,
    /// Invocations of a subgroup, to which a matrix belongs.
    pub subgroup: usize,
}

impl Matrices {
    /// The largest that an adapter offers, if every subgroup of it is as large as the others.
    fn offered(adapter: &wgpu::Adapter) -> Option<Self> {
        let info = adapter.get_info();
        let usable =
            wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX | wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16;
        let [least, most] = subgroup_sizes(&info);
        if !adapter.features().contains(usable) || least != most {
            return None;
        }
        let (half, single) = (wgpu::CooperativeScalarType::F16, wgpu::CooperativeScalarType::F32);
        let is = |p: &wgpu::CooperativeMatrixProperties, side| {
            [p.m_size, p.n_size, p.k_size] == [side; 3] && (p.ab_type, p.cr_type) == (half, single)
        };
        let all = adapter.cooperative_matrix_properties();
        let side = [16, 8].into_iter().find(|&side| all.iter().any(|p| is(p, side)))?;
        Some(Self { side: side as usize, subgroup: most as usize })
    }
}

/// An open device with its pipelines. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    summary: AdapterSummary,
    caps: Caps,
    pipelines: PipelineCache,
    choices: Option<Choices>,
    failures: Failures,
}

fn instance() -> wgpu::Instance {
    // GL is left out: probing it prints warnings about XDG_RUNTIME_DIR on headless machines.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    descriptor.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(descriptor)
}

/// The least and the most invocations of a subgroup.
fn subgroup_sizes(info: &wgpu::AdapterInfo) -> [u32; 2] {
    let said = [info.subgroup_min_size, info.subgroup_max_size];
    subgroups::sizes(info.backend, info.device_type, &info.name, said)
}

/// Whether the adapter is a Mesa llvmpipe of before 25, whose subgroups are eight invocations where the processor has vectors of 256 bits, on a
/// processor without AVX-512, which alone can put a value into any place of a vector in a register. Measured of 22.3 (slow) and 25.0 (not slow);
/// those between are taken to be slow, since images then cost them little.
fn slow_buffers(info: &wgpu::AdapterInfo) -> bool {
    #[cfg(target_arch = "x86_64")]
    let puts_anywhere = std::arch::is_x86_feature_detected!("avx512vl");
    #[cfg(not(target_arch = "x86_64"))]
    let puts_anywhere = true; // Not measured.
    info.device_type == wgpu::DeviceType::Cpu
        && subgroup_sizes(info)[0] >= 8
        && !puts_anywhere
        && mesa_major(&info.driver_info).is_some_and(|major| major < 25)
}

/// The major version of a driver that calls itself Mesa.
fn mesa_major(driver_info: &str) -> Option<u32> {
    driver_info.strip_prefix("Mesa ")?.split('.').next()?.parse().ok()
}

fn summary(info: &wgpu::AdapterInfo) -> AdapterSummary {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "CPU (software)",
        wgpu::DeviceType::Other => "other",
    };
    AdapterSummary {
        name: info.name.clone(),
        backend: format!("{:?}", info.backend),
        kind: kind.into(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
    }
}

fn found() -> Vec<wgpu::Adapter> {
    let mut all = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::all()));
    all.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    all
}

/// Every adapter of this machine, the one that [`Gpu::open`] prefers first.
pub fn adapters() -> Vec<AdapterSummary> {
    found().iter().map(|a| summary(&a.get_info())).collect()
}

fn choose(mut all: Vec<wgpu::Adapter>, wanted: Option<&str>) -> Result<wgpu::Adapter> {
    if all.is_empty() {
        return Err(Error::Device(
            "no Vulkan, Metal or DX12 adapter was found. On a machine without a GPU install Mesa's software Vulkan \
             (Debian and Ubuntu: apt-get install mesa-vulkan-drivers libvulkan1)"
                .into(),
        ));
    }
    let Some(wanted) = wanted else { return Ok(all.swap_remove(0)) };
    let number = wanted.parse::<usize>().ok().filter(|&number| number < all.len());
    let named = |a: &wgpu::Adapter| a.get_info().name.to_lowercase().contains(&wanted.to_lowercase());
    match number.or_else(|| all.iter().position(named)) {
        Some(i) => Ok(all.swap_remove(i)),
        None => {
            let names: Vec<String> =
                all.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
            Err(Error::Device(format!("no adapter matches \"{wanted}\"; there are {}", names.join(", "))))
        }
    }
}

impl Gpu {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no adapter, none that matches, it is a do-nothing one, or it refuses to open;
    /// [`Error::Limit`] if it is too small for the kernels; [`Error::File`] if its tuning cannot be read.
    pub fn open(options: &OpenOptions) -> Result<Self> {
        let from_environment = std::env::var("CVDM_ADAPTER").ok().filter(|v| !v.is_empty());
        let adapter = choose(found(), options.adapter.as_deref().or(from_environment.as_deref()))?;
        let info = adapter.get_info();
        if info.backend == wgpu::Backend::Noop {
            return Err(Error::Device("the adapter is wgpu's `noop`, which computes nothing".into()));
        }
        let limits = adapter.limits();
        for (name, has, needs) in [
            ("storage buffers a stage", limits.max_storage_buffers_per_shader_stage, 8),
            ("invocations a workgroup", limits.max_compute_invocations_per_workgroup, 256),
        ] {
            if has < needs {
                return Err(Error::Limit(format!("{name}: {has}, at least {needs} are needed ({})", info.name)));
            }
        }
        let offered = adapter.features();
        let wanted = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_F16 | wgpu::Features::TIMESTAMP_QUERY;
        let matrices = if options.matrices { Matrices::offered(&adapter) } else { None };
        let (wanted, experimental) = match matrices {
            // SAFETY: asked of whoever opens the device with `OpenOptions::matrices`; the one experimental feature is named here, and
            // the one kernel that uses it is compared with a reference by `kernels-tests/conv2d_3x3_cooperative.rs`.
            Some(_) => (wanted | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, unsafe {
                wgpu::ExperimentalFeatures::enabled()
            }),
            None => (wanted, wgpu::ExperimentalFeatures::disabled()),
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("cvdm"),
            required_features: offered & wanted,
            required_limits: limits.clone(),
            experimental_features: experimental,
            ..Default::default()
        }))
        .map_err(|e| Error::Device(format!("{} did not open: {e}", info.name)))?;

        let failures = Failures::of(&device);
        let caps = Caps {
            subgroups: offered.contains(wgpu::Features::SUBGROUP)
                && subgroup_sizes(&info)[0] >= 8
                && !options.without_subgroups,
            subgroup_sizes: subgroup_sizes(&info).map(|size| size.max(1) as usize),
            max_invocations: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x)
                as usize,
            halves: offered.contains(wgpu::Features::SHADER_F16),
            matrices: matrices.filter(|_| !options.without_subgroups),
            timestamps: offered.contains(wgpu::Features::TIMESTAMP_QUERY),
            ends_loops: info.device_type == wgpu::DeviceType::Cpu,
            software: info.device_type == wgpu::DeviceType::Cpu && !options.as_gpu,
            slow_buffers: options.slow_buffers.unwrap_or_else(|| slow_buffers(&info) && !options.as_gpu),
            max_image: image::ROW * u64::from(limits.max_texture_dimension_2d),
            max_binding: limits.max_storage_buffer_binding_size.min(options.max_binding.unwrap_or(u64::MAX)),
            max_buffer: limits.max_buffer_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
        };
        let pipelines = PipelineCache::new(options.checked_shaders);
        let summary = summary(&info);
        let choices = options.tuning.as_ref().map(|folder| Choices::read(folder, &summary)).transpose()?;
        Ok(Self(Arc::new(Inner { device, queue, summary, caps, pipelines, choices, failures })))
    }

    /// What adapter this is.
    pub fn summary(&self) -> &AdapterSummary {
        &self.0.summary
    }

    /// What the kernels may rely on.
    pub fn caps(&self) -> Caps {
        self.0.caps
    }

    /// What was measured on this device, if it was opened with [`OpenOptions::tuning`].
    pub fn choices(&self) -> Option<&Choices> {
        self.0.choices.as_ref()
    }

    /// The wgpu device.
    pub fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    /// The wgpu queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// The pipeline of a shader: made once, then taken from the cache.
    ///
    /// # Errors
    /// [`Error::Validation`] if wgpu refuses the shader.
    pub fn pipeline(&self, wanted: &Specialisation) -> Result<Arc<Pipeline>> {
        self.0.pipelines.get(&self.0.device, &self.0.failures, wanted)
    }

    /// Makes those pipelines that are not there yet, on as many threads as there are processors.
    ///
    /// # Errors
    /// As [`Gpu::pipeline`].
    pub fn make_pipelines(&self, wanted: impl IntoIterator<Item = Specialisation>) -> Result<()> {
        self.0.pipelines.make_all(&self.0.device, &self.0.failures, wanted)
    }

    /// How many pipelines have been made.
    pub fn pipeline_count(&self) -> usize {
        self.0.pipelines.len()
    }

    /// A zeroed storage buffer, a uniform one too, of at least `bytes` bytes, rounded up to 16 so that shaders may read it as `vec4f`.
    ///
    /// # Errors
    /// [`Error::Limit`] if it is larger than the adapter's limit, [`Error::OutOfMemory`] if the device has no room.
    pub fn storage(&self, label: &str, bytes: u64) -> Result<wgpu::Buffer> {
        let size = bytes.max(16).next_multiple_of(16);
        let limit = self.0.caps.max_buffer;
        if size > limit {
            return Err(Error::Limit(format!(
                "the tensor \"{label}\" needs {size} bytes, one buffer of {} holds {limit}; use a smaller batch, image or network",
                self.0.summary.name
            )));
        }
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        self.caught(|| Ok(self.0.device.create_buffer(&descriptor)))
    }

    /// Does some work, with the first error that wgpu reports of it: of this thread, and of no call before.
    ///
    /// # Errors
    /// That error, or the work's own.
    pub(crate) fn caught<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.0.failures.caught(&self.0.device, work)
    }

    /// Submits commands. Does not wait.
    ///
    /// # Errors
    /// What wgpu reports of it.
    pub(crate) fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<Submission> {
        self.caught(|| {
            let mut encoder = self.0.device.create_command_encoder(&Default::default());
            record(&mut encoder);
            Ok(Submission(self.0.queue.submit([encoder.finish()])))
        })
    }

    /// Waits until everything submitted is done.
    ///
    /// # Errors
    /// As [`Gpu::check`].
    pub fn wait(&self) -> Result<()> {
        self.poll(wgpu::PollType::wait_indefinitely())
    }

    /// Waits until a submission of this device, and everything before it, is done.
    ///
    /// # Errors
    /// [`Error::Input`] for one that this device has not been given yet, such as another's; else as [`Gpu::check`].
    pub fn wait_for(&self, submission: &Submission) -> Result<()> {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission.0.clone()), timeout: None })
    }

    fn poll(&self, until: wgpu::PollType) -> Result<()> {
        // Of a device that is lost while it is waited for wgpu tells its callback, and then panics: nothing of ours is half done by then.
        let waited = catch_unwind(AssertUnwindSafe(|| self.0.device.poll(until)));
        let Ok(polled) = waited else {
            self.check()?;
            return Err(Error::DeviceLost("waiting for it failed; start again from the last checkpoint".into()));
        };
        polled.map_err(|e| match e {
            wgpu::PollError::WrongSubmissionIndex(..) => {
                Error::input(format!("a submission of another device cannot be waited for here ({e})"))
            }
            wgpu::PollError::Timeout => Error::DeviceLost(e.to_string()),
        })?;
        self.check()
    }

    /// Reads `bytes` bytes of `buffer` from byte `offset` on (both multiples of 4), waiting for what was submitted before.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::Validation`] if the buffer has no such bytes, or as [`Gpu::check`].
    pub fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        let descriptor = wgpu::BufferDescriptor {
            label: Some("readback"),
            size: bytes.max(4),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        };
        let staging = self.caught(|| Ok(self.0.device.create_buffer(&descriptor)))?;
        self.submit(|encoder| encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes))?;
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, 0..bytes, move |r| {
            // The receiver is gone only if `read` returned early with an error of its own.
            let _ = sender.send(r);
        });
        self.wait()?;
        match receiver.recv() {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(Error::DeviceLost(format!("reading back failed: {e}"))),
            Err(e) => return Err(Error::DeviceLost(format!("reading back failed: {e}"))),
        }
        let view = staging.get_mapped_range(0..bytes).map_err(|e| Error::DeviceLost(e.to_string()))?;
        Ok(view.to_vec())
    }

    /// The first error since the last call that no function of this crate has returned: of what was done with [`Gpu::device`] and
    /// [`Gpu::queue`] by hand. This crate's own functions return their own errors, on whatever thread they run.
    ///
    /// # Errors
    /// That error; [`Error::DeviceLost`] every time once the device is lost.
    pub fn check(&self) -> Result<()> {
        self.0.failures.check()
    }
}

#[cfg(test)]
mod tests {
    use super::mesa_major;

    #[test]
    fn mesa_says_its_version() {
        assert_eq!(mesa_major("Mesa 22.3.6 (LLVM 15.0.6)"), Some(22));
        assert_eq!(mesa_major("Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)"), Some(25));
        assert_eq!(["", "550.54.14", "Mesa"].map(mesa_major), [None; 3]);
    }
}
