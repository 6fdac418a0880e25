//! What a shell and `man` know of the program.

use crate::CliError;
use crate::output::Output;
use clap_complete::Shell;

pub fn completions(shell: Shell, output: &Output) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::examples::command(), "interline", &mut script);
    output.write(&script);
}

pub fn manual(output: &Output) -> Result<(), CliError> {
    let unwritten = |source| CliError::File { action: "cannot write", path: "the manual page".into(), source };
    let mut page = Vec::new();
    let command = crate::examples::command().name("interline");
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(unwritten)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let mut section = Vec::new();
        let man = clap_mangen::Man::new(subcommand.clone());
        man.render_title(&mut section).map_err(unwritten)?;
        man.render_synopsis_section(&mut section).map_err(unwritten)?;
        man.render_description_section(&mut section).map_err(unwritten)?;
        man.render_options_section(&mut section).map_err(unwritten)?;
        man.render_extra_section(&mut section).map_err(unwritten)?;
        page.extend(section);
    }
    output.write(&page);
    Ok(())
}
