//! `cvdm op`: one operation of the engine on `.npy` files.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use cvdm::data::{read_npy, write_npy};
use cvdm::gpu::{Gpu, OpenOptions};
use cvdm::op::{Array, Given, OPERATIONS, Operation, find};
use cvdm::{Error, Result};

/// The command line of `cvdm op`. Which of the arrays and settings an operation takes is up to its entry in the registry.
#[derive(Args)]
pub struct OpArgs {
    /// The operation.
    #[arg(
        value_name = "NAME",
        required_unless_present = "list",
        hide_possible_values = true,
        value_parser = PossibleValuesParser::new(OPERATIONS.iter().map(|o| o.name))
    )]
    name: Option<String>,
    /// Print the operations (or the one named) with their formulas and arguments.
    #[arg(long)]
    list: bool,
    /// Folder for the results: y.npy, and with --grad the gradients gx.npy, gw.npy, gb.npy, …
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Replace results that the folder holds already.
    #[arg(long)]
    force: bool,
    /// Use the kernels for adapters without subgroup operations even where there are some.
    #[arg(long)]
    portable: bool,
    #[command(flatten)]
    arrays: Arrays,
    #[command(flatten)]
    settings: Settings,
}

/// `.npy` files, by what they are in the operation's formula.
#[derive(Args)]
#[command(next_help_heading = "Arrays (.npy)")]
struct Arrays {
    /// The input; several times for operations of several inputs.
    #[arg(long, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Weights.
    #[arg(long, value_name = "FILE")]
    weight: Option<PathBuf>,
    /// Bias.
    #[arg(long, value_name = "FILE")]
    bias: Option<PathBuf>,
    /// A value for each channel.
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Gradient of the result: asks for the gradients of what went in.
    #[arg(long, value_name = "FILE")]
    grad: Option<PathBuf>,
    /// λ of each pixel.
    #[arg(long, value_name = "FILE")]
    lambda: Option<PathBuf>,
    /// (ρ, ρ′, ρ″).
    #[arg(long, value_name = "FILE")]
    rho: Option<PathBuf>,
    /// τ.
    #[arg(long, value_name = "FILE")]
    tau: Option<PathBuf>,
    /// γ and z.
    #[arg(long, value_name = "FILE")]
    latent: Option<PathBuf>,
    /// Predicted noise.
    #[arg(long, value_name = "FILE")]
    prediction: Option<PathBuf>,
    /// Adam's first moment.
    #[arg(long, value_name = "FILE")]
    moment1: Option<PathBuf>,
    /// Adam's second moment.
    #[arg(long, value_name = "FILE")]
    moment2: Option<PathBuf>,
    /// Moving average of the parameters.
    #[arg(long, value_name = "FILE")]
    average: Option<PathBuf>,
}

/// Numbers and words; `cvdm op --list` says which operation takes which, and the defaults.
#[derive(Args)]
#[command(next_help_heading = "Settings (see --list)")]
struct Settings {
    #[arg(long)]
    stride: Option<String>,
    #[arg(long)]
    padding: Option<String>,
    #[arg(long)]
    activation: Option<String>,
    #[arg(long)]
    epsilon: Option<String>,
    #[arg(long)]
    groups: Option<String>,
    #[arg(long)]
    heads: Option<String>,
    #[arg(long)]
    transposed: Option<String>,
    #[arg(long)]
    filter: Option<String>,
    #[arg(long, allow_negative_numbers = true)]
    power: Option<String>,
    #[arg(long, allow_negative_numbers = true)]
    factor: Option<String>,
    #[arg(long, allow_negative_numbers = true)]
    shift: Option<String>,
    #[arg(long)]
    seed: Option<String>,
    #[arg(long)]
    step: Option<String>,
    #[arg(long)]
    sample: Option<String>,
    #[arg(long)]
    samples: Option<String>,
    #[arg(long)]
    from: Option<String>,
    #[arg(long)]
    discretisation: Option<String>,
    #[arg(long)]
    variant: Option<String>,
    #[arg(long)]
    shape: Option<String>,
    #[arg(long)]
    kind: Option<String>,
    #[arg(long)]
    stream: Option<String>,
    #[arg(long)]
    learning_rate: Option<String>,
    #[arg(long)]
    beta1: Option<String>,
    #[arg(long)]
    beta2: Option<String>,
    #[arg(long)]
    ema_rate: Option<String>,
    #[arg(long, allow_negative_numbers = true)]
    black: Option<String>,
    #[arg(long)]
    range: Option<String>,
}

impl Arrays {
    fn given(&self) -> Vec<(&'static str, &[PathBuf])> {
        let all = [
            ("input", self.input.as_slice()),
            ("weight", self.weight.as_slice()),
            ("bias", self.bias.as_slice()),
            ("values", self.values.as_slice()),
            ("grad", self.grad.as_slice()),
            ("lambda", self.lambda.as_slice()),
            ("rho", self.rho.as_slice()),
            ("tau", self.tau.as_slice()),
            ("latent", self.latent.as_slice()),
            ("prediction", self.prediction.as_slice()),
            ("moment1", self.moment1.as_slice()),
            ("moment2", self.moment2.as_slice()),
            ("average", self.average.as_slice()),
        ];
        all.into_iter().filter(|(_, paths)| !paths.is_empty()).collect()
    }
}

impl Settings {
    fn given(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("stride", &self.stride),
            ("padding", &self.padding),
            ("activation", &self.activation),
            ("epsilon", &self.epsilon),
            ("groups", &self.groups),
            ("heads", &self.heads),
            ("transposed", &self.transposed),
            ("filter", &self.filter),
            ("power", &self.power),
            ("factor", &self.factor),
            ("shift", &self.shift),
            ("seed", &self.seed),
            ("step", &self.step),
            ("sample", &self.sample),
            ("samples", &self.samples),
            ("from", &self.from),
            ("discretisation", &self.discretisation),
            ("variant", &self.variant),
            ("shape", &self.shape),
            ("kind", &self.kind),
            ("stream", &self.stream),
            ("learning-rate", &self.learning_rate),
            ("beta1", &self.beta1),
            ("beta2", &self.beta2),
            ("ema-rate", &self.ema_rate),
            ("black", &self.black),
            ("range", &self.range),
        ];
        all.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect()
    }
}

/// Runs `cvdm op` on a device opened with these options.
///
/// # Errors
/// For arguments, files or shapes that do not fit, and what the device reports. Nothing is written unless all of it ran.
pub fn run(args: &OpArgs, options: &OpenOptions) -> Result<()> {
    let operation = args.name.as_deref().map(find).transpose()?;
    if args.list {
        let all: Vec<String> = match operation {
            Some(operation) => vec![operation.to_string()],
            None => OPERATIONS.iter().map(ToString::to_string).collect(),
        };
        say!("{}", all.join("\n").trim_end());
        return Ok(());
    }
    let (Some(operation), Some(out)) = (operation, &args.out) else {
        return Err(Error::input("give an operation and --out, or --list"));
    };
    if out.exists() && !out.is_dir() {
        return Err(Error::file(out, "is a file; --out takes a folder"));
    }
    let given = read(operation, args.arrays.given(), args.settings.given())?;
    let gpu = Gpu::open(&OpenOptions { without_subgroups: args.portable, ..options.clone() })?;
    let outcome = operation.run(&gpu, given)?;
    let place = |name: &str| out.join(format!("{name}.npy"));
    // An input may lie there under such a name.
    if let Some(taken) =
        outcome.results.iter().map(|(name, _)| place(name)).find(|p| p.exists()).filter(|_| !args.force)
    {
        return Err(Error::file(taken, "exists already; choose another folder, or replace it with --force"));
    }
    for (name, array) in &outcome.results {
        let path = place(name);
        write_npy(&path, &array.shape, &array.values)?;
        say!("{} {:?}", path.display(), array.shape);
    }
    say!("kernels on {}: {}", gpu.summary().name, outcome.kernels.join(", "));
    Ok(())
}

/// Reads the files, once it is clear that the operation takes them and needs no other.
fn read(
    operation: &Operation,
    arrays: Vec<(&'static str, &[PathBuf])>,
    settings: Vec<(&'static str, &str)>,
) -> Result<Vec<(&'static str, Given)>> {
    let names: Vec<&str> = arrays.iter().map(|a| a.0).chain(settings.iter().map(|s| s.0)).collect();
    operation.check_names(&names)?;
    let mut given = Vec::new();
    for (name, paths) in arrays {
        let read = |path| read_npy(path).map(|(shape, values)| Array { shape, values });
        given.push((name, Given::Arrays(paths.iter().map(read).collect::<Result<_>>()?)));
    }
    given.extend(settings.into_iter().map(|(name, text)| (name, Given::Setting(text.into()))));
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cvdm::op::Kind;

    /// Parses a command line on which every option of `operation` stands once, and returns the names that came through.
    fn names_through(operation: &Operation) -> Vec<&'static str> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            op: OpArgs,
        }
        let mut line = vec!["op".into(), operation.name.into(), "--out".into(), "folder".into()];
        for argument in operation.arguments {
            line.extend([format!("--{}", argument.name), "1".into()]);
        }
        let args =
            <Line as clap::Parser>::try_parse_from(line).unwrap_or_else(|e| panic!("{}: {e}", operation.name)).op;
        args.arrays.given().iter().map(|a| a.0).chain(args.settings.given().iter().map(|s| s.0)).collect()
    }

    #[test]
    fn every_argument_of_the_registry_is_an_option() {
        for operation in OPERATIONS {
            let mut want: Vec<&str> = operation.arguments.iter().map(|a| a.name).collect();
            let mut got = names_through(operation);
            want.sort_unstable();
            got.sort_unstable();
            assert_eq!(got, want, "{}", operation.name);
        }
    }

    #[test]
    fn every_option_is_an_argument_of_some_operation() {
        let own = ["name", "list", "out", "force", "portable"];
        let command = OpArgs::augment_args(clap::Command::new("op"));
        for option in command.get_arguments().map(|a| a.get_id().as_str().replace('_', "-")) {
            let taken = OPERATIONS.iter().flat_map(|o| o.arguments).any(|a| a.name == option);
            assert!(taken || own.contains(&option.as_str()), "no operation takes --{option}");
        }
        assert!(OPERATIONS.iter().flat_map(|o| o.arguments).any(|a| a.kind == Kind::Arrays));
    }
}
