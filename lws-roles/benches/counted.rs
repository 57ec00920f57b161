//! Does a case a given number of times, for a tool that counts: `counted CASE TIMES`. Without
//! arguments it names the cases with their operations per call. Run by the script `instructions`.

mod cases;

use std::process::ExitCode;

fn main() -> ExitCode {
    // cargo bench adds --bench
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [name, times] = args.as_slice() else {
        for case in cases::ALL {
            println!("{} {}", case.name, case.ops);
        }
        return ExitCode::SUCCESS;
    };
    let (Some(case), Ok(times)) = (cases::ALL.iter().find(|case| case.name == name), times.parse::<u32>()) else {
        eprintln!("counted CASE TIMES");
        return ExitCode::FAILURE;
    };
    let mut call = (case.make)();
    for _ in 0..times {
        call();
    }
    ExitCode::SUCCESS
}
