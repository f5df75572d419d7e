//! What a device promises: pipelines are made once and kept if sound, and errors are told to whom they belong.

mod harness;

use cvdm::Error;
use cvdm::diffusion::{Hyper, Model, ModelConfig, StepOptions, Trainer, TrainerState};
use cvdm::gpu::{Elements, Gpu, Needs, OpenOptions, Shader, Specialisation, adapters};
use cvdm::kernels::ALL;
use cvdm::tensor::Shape;
use harness::random;
fn plain(shader: &'static Shader) -> Specialisation {
    Specialisation { shader, elements: Elements::default(), overrides: Vec::new() }
}

static NO_SHADER: Shader = Shader { name: "no shader", sources: &["fn main() -> nothing"], needs: Needs::Nothing };

/// Asked for again, a pipeline that wgpu refused is refused again, and not the invalid one of the first time.
#[test]
fn a_refused_pipeline_is_not_kept() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    for attempt in 0..2 {
        let refused = gpu.pipeline(&plain(&NO_SHADER));
        assert!(matches!(refused, Err(Error::Validation(_))), "attempt {attempt}");
        assert_eq!(gpu.pipeline_count(), 0);
    }
    let made = gpu.pipeline(&plain(ALL[0]));
    assert!(made.is_ok() && gpu.pipeline_count() == 1);
}

/// Many at once are made on several threads, each once; one that is refused is an error, whichever thread it fell to.
#[test]
fn pipelines_are_made_together() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    let of = |shaders: &[&'static Shader]| shaders.iter().map(|s| plain(s)).collect::<Vec<_>>();
    let some: Vec<_> = ALL.iter().copied().filter(|s| s.needs == Needs::Nothing).take(8).collect();
    gpu.make_pipelines(of(&[&some[..6], &some[..6]].concat())).unwrap();
    assert_eq!(gpu.pipeline_count(), 6);
    for place in 0..3 {
        let mut wanted = of(&some);
        wanted.insert(4 * place, plain(&NO_SHADER));
        assert!(matches!(gpu.make_pipelines(wanted), Err(Error::Validation(_))), "place {place}");
    }
    gpu.make_pipelines(of(&some)).unwrap();
    assert_eq!(gpu.pipeline_count(), 8);
}

/// Of two threads that share a device each is told of its own errors, and of all of them.
#[test]
fn errors_belong_to_the_thread_that_caused_them() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    std::thread::scope(|scope| {
        let refused = scope.spawn(|| (0..200).all(|_| gpu.pipeline(&plain(&NO_SHADER)).is_err()));
        for _ in 0..200 {
            let buffer = gpu.storage("sound", 64).unwrap();
            assert_eq!(gpu.read(&buffer, 0, 64).unwrap(), [0; 64]);
            let outside = gpu.read(&buffer, 0, 128);
            assert!(matches!(outside, Err(Error::Validation(_))), "{outside:?}");
        }
        assert!(refused.join().unwrap(), "a shader that is none was taken");
    });
    assert_eq!(gpu.check(), Ok(()));
}

/// What threads compute at the same time is what each would compute alone.
#[test]
fn threads_share_a_device() {
    let gpu = Gpu::open(&OpenOptions::default()).unwrap();
    let trained = |seed: u64| {
        let model =
            Model::new(ModelConfig { noise_base: 4, rate_base: 4, scales: 2, ..ModelConfig::default() }).unwrap();
        let state = TrainerState::new(&model, seed);
        let mut trainer = Trainer::new(&gpu, model, StepOptions::new(2, 16, 16), &state).unwrap();
        for step in 0..4 {
            let [x, y] = [2, 1].map(|c| random(Shape::new(2, c, 16, 16), seed + step, -1.0, 1.0).values);
            trainer.step(&x, &y, &Hyper::default()).unwrap();
        }
        trainer.state().unwrap()
    };
    let alone: Vec<_> = (0..3).map(trained).collect();
    assert_ne!(alone[0], alone[1]);
    let together: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|seed| scope.spawn(move || trained(seed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
}

/// By a number only if there are so many adapters: names have numbers too.
#[test]
fn an_adapter_is_named_by_its_place_or_a_part_of_its_name() {
    let all = adapters();
    let open = |adapter: &str| Gpu::open(&OpenOptions { adapter: Some(adapter.into()), ..OpenOptions::default() });
    assert_eq!(open("0").unwrap().summary(), &all[0]);
    assert_eq!(open(&all[0].name.to_uppercase()).unwrap().summary(), &all[0]);
    let numbers =
        all[0].name.split(|c: char| !c.is_ascii_digit()).filter(|n| n.parse().is_ok_and(|n: usize| n >= all.len()));
    for number in numbers {
        assert!(open(number).unwrap().summary().name.contains(number));
    }
    let refused = open("no such adapter").err().unwrap().to_string();
    assert!(refused.contains("no such adapter") && refused.contains(&all[0].name), "{refused}");
}
