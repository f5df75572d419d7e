//! Images: storage textures that hold a copy of a part of a buffer, for kernels that read pixels faster than buffers.

use std::ops::Range;

use super::Gpu;
use crate::{Error, Result};

/// Pixels of a row, each a `vec4f` (`shaders/shared/image.wgsl`).
const WIDTH: u32 = 4096;

/// Bytes of a row.
pub(super) const ROW: u64 = 16 * WIDTH as u64;

/// A texture that kernels read and commands fill.
pub struct Image {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
}

impl Image {
    /// Room for so many bytes, in whole rows.
    ///
    /// # Errors
    /// [`Error::Limit`] if the adapter has no texture of so many rows, [`Error::OutOfMemory`] if the device has no room.
    pub fn new(gpu: &Gpu, bytes: u64) -> Result<Self> {
        let limit = gpu.caps().max_image;
        if bytes > limit {
            return Err(Error::Limit(format!("an image of {bytes} bytes; this adapter's hold {limit}")));
        }
        let descriptor = wgpu::TextureDescriptor {
            label: Some("image"),
            size: wgpu::Extent3d { width: WIDTH, height: bytes.div_ceil(ROW) as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        };
        let texture = gpu.caught(|| Ok(gpu.device().create_texture(&descriptor)))?;
        let view = texture.create_view(&Default::default());
        Ok(Self { texture, view })
    }

    /// What a bind group takes.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Bytes that an image with room for `bytes` takes.
    pub fn size(bytes: u64) -> u64 {
        bytes.next_multiple_of(ROW)
    }

    /// Adds the commands that copy these bytes of a buffer, both ends multiples of 16, to the image's beginning: its whole rows, and what
    /// is left as the beginning of one more.
    pub fn fill(&self, encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer, bytes: Range<u64>) {
        let length = bytes.end - bytes.start;
        let (rows, rest) = ((length / ROW) as u32, (length % ROW / 16) as u32);
        for (y, width, height) in [(0, WIDTH, rows), (rows, rest, 1)] {
            if width * height == 0 {
                continue;
            }
            let layout = wgpu::TexelCopyBufferLayout {
                offset: bytes.start + u64::from(y) * ROW,
                bytes_per_row: Some(ROW as u32),
                rows_per_image: None,
            };
            let origin = wgpu::Origin3d { x: 0, y, z: 0 };
            encoder.copy_buffer_to_texture(
                wgpu::TexelCopyBufferInfo { buffer, layout },
                wgpu::TexelCopyTextureInfo { origin, ..self.texture.as_image_copy() },
                wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            );
        }
    }
}
