//! The adapter that burn runs on through wgpu: the one that this project's own engine takes.
//!
//! Burn takes wgpu's default adapter by itself, or one by its kind and its number among those. Here it is named as for our
//! engine: a part of its name, or its number in a list of all with the fastest kind first.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use burn::tensor::wgpu::wgpu::{self, AdapterInfo, DeviceType};
use burn::tensor::{Device, DeviceKind};

use crate::Result;

/// Opens the adapter that is wanted, or that the environment variable `CVDM_ADAPTER` names, or the first.
pub fn open(wanted: Option<&str>) -> Result<Device> {
    let from_environment = std::env::var("CVDM_ADAPTER").ok().filter(|v| !v.is_empty());
    let all = listed()?;
    let chosen = choose(&all, wanted.or(from_environment.as_deref()))?;
    let device = Device::vulkan(kind(&all, chosen)?);
    let (opened, expected) = (name(&device), &all[chosen].name);
    if opened != *expected {
        return Err(format!("burn opened the adapter \"{opened}\" where \"{expected}\" was wanted"));
    }
    Ok(device)
}

/// What burn calls the adapter that it opened.
pub fn name(device: &Device) -> String {
    device.identity().map_or_else(|| "unknown".into(), |identity| identity.name)
}

/// All adapters in our engine's order; within a kind the driver's, which is burn's too.
fn listed() -> Result<Vec<AdapterInfo>> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = at_once(instance.enumerate_adapters(wgpu::Backends::VULKAN))?;
    let mut all: Vec<AdapterInfo> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    all.sort_by_key(|info| match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    Ok(all)
}

/// The value of a future that waits for nothing, as wgpu's list of adapters outside of browsers.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err("wgpu keeps its list of adapters back".into()),
    }
}

fn choose(all: &[AdapterInfo], wanted: Option<&str>) -> Result<usize> {
    if all.is_empty() {
        return Err("there is no Vulkan adapter".into());
    }
    let Some(wanted) = wanted else { return Ok(0) };
    let number = wanted.parse::<usize>().ok().filter(|&number| number < all.len());
    let named = |info: &AdapterInfo| info.name.to_lowercase().contains(&wanted.to_lowercase());
    number.or_else(|| all.iter().position(named)).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|info| info.name.as_str()).collect();
        format!("no adapter matches \"{wanted}\"; there are {}", names.join(", "))
    })
}

/// Burn's words for an adapter of the list: its kind, and its number among those.
fn kind(all: &[AdapterInfo], chosen: usize) -> Result<DeviceKind> {
    let AdapterInfo { device_type, name, .. } = &all[chosen];
    let number = all[..chosen].iter().filter(|info| info.device_type == *device_type).count();
    match device_type {
        DeviceType::DiscreteGpu => Ok(DeviceKind::DiscreteGpu(number)),
        DeviceType::IntegratedGpu => Ok(DeviceKind::IntegratedGpu(number)),
        DeviceType::VirtualGpu => Ok(DeviceKind::VirtualGpu(number)),
        DeviceType::Cpu if number == 0 => Ok(DeviceKind::Cpu),
        DeviceType::Cpu => Err(format!(
            "burn opens no software adapter but the first, which is not \"{name}\"; VK_DRIVER_FILES can leave others out"
        )),
        DeviceType::Other => Err(format!("burn has no word for the kind of \"{name}\"")),
    }
}
