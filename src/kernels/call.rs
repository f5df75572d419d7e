//! One dispatch as plain data.

use std::ops::Range;

use bytemuck::{NoUninit, Pod, Zeroable};

use crate::gpu::{Caps, Elements, Overrides, Shader, Specialisation};
use crate::tensor::{Shape, TensorId, View};
use crate::{Error, Result};

/// One dispatch: which shader, on which tensors, over which grid.
#[derive(Debug, Clone)]
pub struct Call {
    /// The shader.
    pub shader: &'static Shader,
    /// Values of its overrides.
    pub overrides: Overrides,
    /// How its tensors are stored.
    pub elements: Elements,
    /// The bytes of its uniform `params` (binding 0).
    pub params: Vec<u8>,
    /// What is bound, from binding 1 on: storage buffers, but for what `windows` says.
    pub tensors: Vec<TensorId>,
    /// The tensors that are bound in part, or in another way.
    pub windows: Vec<Window>,
    /// What takes its place where [loads from buffers are slow](Caps::slow_buffers).
    pub images_form: Option<ImagesForm>,
    /// Workgroups.
    pub grid: [u32; 3],
    /// Items of a workgroup's block, if its invocations [take them in turn](Call::in_blocks).
    pub block: Option<u32>,
    /// Iterations of an invocation's [loops](Call::loops), or of those for one item of its block.
    pub iterations: usize,
    /// Floating-point operations, a fused multiply-add counted as two.
    pub flops: u64,
    /// Bytes that must cross memory at least once.
    pub bytes: u64,
}

/// A call's second form, which reads some of its tensors as images.
#[derive(Debug, Clone)]
pub struct ImagesForm {
    /// The same source with other declarations.
    pub shader: &'static Shader,
    /// What is read so.
    pub windows: Vec<Window>,
}

/// A part of a tensor that is bound: as a uniform buffer or an image, or because the tensor is larger than one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Which of [`Call::tensors`].
    pub index: usize,
    /// The bytes of it that the shader sees; of a buffer the first is a multiple of 256, of an image both ends are of 16.
    pub bytes: Range<u64>,
    /// What is bound.
    pub bound: Bound,
}

/// What a [`Window`] is bound as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// These bytes of the tensor's buffer.
    Buffer,
    /// A copy of them in a storage texture, whose pixels are the tensor's `vec4f` (`shaders/shared/image.wgsl`).
    Image,
    /// So many bytes that belong to no tensor, which the shader may touch and does not.
    Nothing,
}

/// Iterations that an invocation's loops may take together on a software adapter: of the 65,535 after which Mesa's llvmpipe ends them some are
/// left to short loops that no one counts. One that ends is counted once more than it runs.
pub(super) const ITERATIONS: usize = 65_000;

/// The fewest invocations of a workgroup, from a subgroup of a software adapter on, whose loops it would not end: each takes so many
/// `iterations` if there are so many of them. The most that every adapter has, where more would be needed.
pub(super) fn fewest_invocations(iterations: impl Fn(usize) -> usize) -> usize {
    [8, 16, 32, 64, 128].into_iter().find(|&wg| iterations(wg) <= ITERATIONS).unwrap_or(256)
}

/// Bytes of what is bound where there is nothing to bind: one `vec4f`.
pub(crate) const NOTHING: u64 = 16;

impl Call {
    /// A call of `shader` with these parameters, on no tensors yet.
    pub fn new<P: NoUninit>(shader: &'static Shader, params: P, grid: [u32; 3]) -> Self {
        Self::of_bytes(shader, bytemuck::bytes_of(&params), grid)
    }

    /// Apart from [`Call::new`], which is compiled once for every kernel.
    fn of_bytes(shader: &'static Shader, params: &[u8], grid: [u32; 3]) -> Self {
        let mut params = params.to_vec();
        params.resize(params.len().next_multiple_of(16), 0);
        Self {
            shader,
            overrides: Vec::new(),
            elements: Elements::default(),
            params,
            tensors: Vec::new(),
            windows: Vec::new(),
            images_form: None,
            grid,
            block: None,
            iterations: 0,
            flops: 0,
            bytes: 0,
        }
    }

    /// Sets an override.
    pub fn with(mut self, name: &'static str, value: u32) -> Self {
        self.overrides.push((name, value));
        self.overrides.sort_unstable();
        self
    }

    /// Says that the invocations of a workgroup take the items of a block of so many in turn (the shader's `BLOCK`), so that any number
    /// of invocations will do.
    pub fn in_blocks(mut self, items: u32) -> Self {
        self.block = Some(items);
        self.with("BLOCK", items)
    }

    /// Says how many iterations the loops of an invocation take together, where sizes decide; for a call [in blocks](Call::in_blocks), those
    /// of one item. Mesa's llvmpipe ends loops after 65,535 and says nothing: there a plan refuses a call that would take more.
    pub fn loops(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Iterations of an invocation, of so many in a workgroup that shares a block.
    fn iterations_of(&self, invocations: usize) -> usize {
        // Of an item there is besides the one of the loop over the block, and one to see that its own has ended.
        self.block.map_or(self.iterations, |items| (items as usize).div_ceil(invocations) * (self.iterations + 2))
    }

    /// What is compiled of it on such an adapter.
    pub(crate) fn specialisation(&self, caps: Caps) -> Specialisation {
        Specialisation { shader: self.shader, elements: self.elements, overrides: self.overrides_on(caps) }
    }

    /// The overrides on such an adapter. Of a [block](Call::in_blocks) a GPU gives every item an invocation. A software adapter pays for
    /// each subgroup's beginning as much as for an item or two: there one subgroup takes them all, or as few as its loops allow.
    fn overrides_on(&self, caps: Caps) -> Overrides {
        let mut overrides = self.overrides.clone();
        if let Some(items) = self.block.filter(|_| !overrides.iter().any(|&(name, _)| name == "WG")) {
            let fewest = fewest_invocations(|wg| self.iterations_of(wg)) as u32;
            overrides.push(("WG", if caps.software { fewest.min(items) } else { items }));
            overrides.sort_unstable();
        }
        overrides
    }

    /// Refuses a call whose loops such an adapter would end early.
    ///
    /// # Errors
    /// [`Error::Limit`].
    pub(crate) fn check_loops(&self, caps: Caps) -> Result<()> {
        if !caps.ends_loops {
            return Ok(());
        }
        let wg = self.overrides_on(caps).iter().find(|&&(name, _)| name == "WG").map_or(1, |&(_, wg)| wg);
        let iterations = self.iterations_of(wg as usize);
        if iterations > ITERATIONS {
            return Err(Error::Limit(format!(
                "{}: {iterations} iterations in an invocation; software adapters end loops after 65535: use smaller tensors, fewer steps of sampling, or a GPU",
                self.shader.name
            )));
        }
        Ok(())
    }

    /// Says how input and output are stored, where the shader takes halves too.
    pub fn stored(mut self, input: &View, output: &View) -> Self {
        self.elements = Elements { input: input.element, output: output.element, ..self.elements };
        self
    }

    /// Says how the weights are stored, where the shader takes halves too.
    pub fn weights_stored(mut self, weights: &View) -> Self {
        self.elements.weight = weights.element;
        self
    }

    /// Binds the next tensor and counts its bytes.
    pub fn bind(mut self, view: &View) -> Self {
        self.bytes += view.bytes();
        self.bind_unread(view)
    }

    /// Binds the next tensor where the shader has a binding that it will not read.
    pub fn bind_unread(mut self, view: &View) -> Self {
        if view.windowed {
            let Range { start, end } = view.window();
            let bytes = view.element.bytes(start)..view.element.bytes(end);
            self.windows.push(Window { index: self.tensors.len(), bytes, bound: Bound::Buffer });
        }
        self.tensors.push(view.tensor);
        self
    }

    /// Binds the next tensor if there is one, and else `other`, which the shader will not read there.
    pub fn bind_or(self, view: Option<&View>, other: &View) -> Self {
        match view {
            Some(view) => self.bind(view),
            None => self.bind_unread(other),
        }
    }

    /// Says which shader reads the [maps](Call::bind_map) that are bound from now on as images, if there is one.
    pub fn with_images(mut self, shader: Option<&'static Shader>) -> Self {
        self.images_form = shader.map(|shader| ImagesForm { shader, windows: Vec::new() });
        self
    }

    /// [`Call::bind`] of a map that the [form for images](Call::with_images), if there is one, reads as an image of its whole tensor: the map lies
    /// at the same place in it, and so do other maps of the tensor that the shader reads. Of a tensor that no binding holds there is no such form.
    pub fn bind_map(mut self, view: &View) -> Self {
        self.images_form = self.images_form.filter(|_| !view.windowed).map(|mut form| {
            let bytes = 0..view.element.bytes(view.shape.n * view.batch_stride()).next_multiple_of(16);
            form.windows.push(Window { index: self.tensors.len(), bytes, bound: Bound::Image });
            form
        });
        self.bind(view)
    }

    /// The call as such an adapter runs it: from images if it has a form for them, loads from buffers are slow, and no tensor is of halves.
    pub(crate) fn on(mut self, caps: Caps) -> Self {
        let suits = caps.slow_buffers && self.elements == Elements::default();
        if let Some(form) = self.images_form.take().filter(|_| suits) {
            self.shader = form.shader;
            self.windows.extend(form.windows);
        }
        self
    }

    /// The bytes of tensor number `index` that are bound, of so many.
    pub(crate) fn bound(&self, index: usize, bytes: u64) -> Range<u64> {
        self.windows.iter().find(|w| w.index == index).map_or(0..bytes, |w| w.bytes.clone())
    }

    /// The windows that are images, in the order of their bindings.
    pub(crate) fn images(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|w| w.bound == Bound::Image)
    }

    /// Bytes that are [copied to images](Call::bind_image) before it, each read and written once. [`Call::bytes`] leaves them out, since they
    /// are what a driver costs and not what the kernel needs.
    pub fn copied(&self) -> u64 {
        self.images().map(|window| window.bytes.end - window.bytes.start).sum()
    }

    /// What tensor number `index` is bound as.
    pub(crate) fn bound_as(&self, index: usize) -> Bound {
        self.windows.iter().find(|w| w.index == index).map_or(Bound::Buffer, |w| w.bound)
    }

    /// Binds no tensor where the shader has a binding that it will not touch. One that it only reads can have any tensor
    /// ([`Call::bind_unread`]); one that it could write cannot, since no other binding may then see that tensor's buffer.
    pub fn bind_nothing(mut self) -> Self {
        self.windows.push(Window { index: self.tensors.len(), bytes: 0..NOTHING, bound: Bound::Nothing });
        // In its place in the list stands one that the call has anyway.
        self.tensors.push(self.tensors[0]);
        self
    }

    /// Binds the next tensor, of single precision, as an image of the view alone ([`Span::in_image`]), from the whole `vec4` on that it
    /// starts in, and counts its bytes: once, as for a buffer, since the copy is what a driver costs and not what the kernel needs.
    pub fn bind_image(mut self, view: &View) -> Self {
        let Range { start, end } = view.extent();
        let bytes = view.element.bytes(start) / 16 * 16..view.element.bytes(end).next_multiple_of(16);
        self.bytes += view.bytes();
        self.windows.push(Window { index: self.tensors.len(), bytes, bound: Bound::Image });
        self.tensors.push(view.tensor);
        self
    }

    /// [`Call::bind_image`] or [`Call::bind`].
    pub fn bind_read(self, view: &View, image: bool) -> Self {
        if image { self.bind_image(view) } else { self.bind(view) }
    }

    /// Binds `bytes` of the next tensor as a uniform buffer, and counts them.
    pub fn bind_window(mut self, view: &View, bytes: Range<usize>) -> Self {
        let range = bytes.start as u64..bytes.end as u64;
        self.windows.push(Window { index: self.tensors.len(), bytes: range, bound: Bound::Buffer });
        self.bytes += bytes.len() as u64;
        self.tensors.push(view.tensor);
        self
    }

    /// Counts the bytes of an output once more where it is added to, and so read first.
    pub fn adds_to(mut self, output: &View, accumulate: bool) -> Self {
        self.bytes += if accumulate { output.bytes() } else { 0 };
        self
    }

    /// Says whether an output is added to (the shader's `ACCUMULATE`), and counts its bytes as [`Call::adds_to`] does. An override, not a
    /// parameter: a software driver would compile the loads of what is there for every call, in some kernels two thirds of all.
    pub fn accumulates(self, output: &View, accumulate: bool) -> Self {
        self.adds_to(output, accumulate).with("ACCUMULATE", accumulate.into())
    }

    /// Adds floating-point operations.
    pub fn costs(mut self, flops: usize) -> Self {
        self.flops += flops as u64;
        self
    }
}

/// Where a view lies in its buffer, as shaders see it: a `vec2u` of offset and stride, in values.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Span {
    /// Values before the first one.
    pub offset: u32,
    /// Values from one sample to the next.
    pub stride: u32,
}

impl Span {
    /// Where a view lies in an [image](Call::bind_image) of it.
    pub fn in_image(view: &View) -> Self {
        Self { offset: 0, stride: view.batch_stride() as u32 }
    }

    /// Where a view lies in what [`Call::bind_read`] binds.
    pub fn read(view: &View, image: bool) -> Self {
        if image { Self::in_image(view) } else { view.into() }
    }
}

impl From<&View> for Span {
    fn from(view: &View) -> Self {
        Self { offset: view.offset() as u32, stride: view.batch_stride() as u32 }
    }
}

/// A grid of at least `workgroups` workgroups that no dimension's limit of 65,535 can refuse; a shader recovers the
/// linear number as `id.x + id.y * 65535` and does nothing where it is past the end.
pub fn grid(workgroups: usize) -> [u32; 3] {
    const LIMIT: usize = 65_535;
    if workgroups <= LIMIT { [workgroups as u32, 1, 1] } else { [LIMIT as u32, workgroups.div_ceil(LIMIT) as u32, 1] }
}

/// Refuses a tensor of another shape, or a channel range: for what kernels read and write from its beginning.
///
/// # Errors
/// [`Error::Shape`].
pub(super) fn expect_whole(what: &str, view: &View, shape: Shape) -> Result<()> {
    view.expect(what, shape)?;
    if view.is_whole() {
        Ok(())
    } else {
        Err(Error::shape(format!("{what} must be a whole tensor, not a channel range")))
    }
}

/// Refuses an output that is also another argument: one dispatch cannot bind a buffer both to read and to write.
///
/// # Errors
/// [`Error::Shape`].
pub(super) fn distinct(what: &str, outputs: &[&View], inputs: &[&View]) -> Result<()> {
    for (i, output) in outputs.iter().enumerate() {
        if inputs.iter().chain(&outputs[..i]).any(|v| v.tensor == output.tensor) {
            return Err(Error::shape(format!(
                "{what}: an output lies in the tensor of another argument; write to a tensor of its own"
            )));
        }
    }
    Ok(())
}
