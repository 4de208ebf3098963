//! Colour, where it is wanted.

/// Paints text, or leaves it plain. Colour never carries meaning alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    on: bool,
}

/// Use of colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Also in a pipe.
    Always,
    /// Never.
    Never,
}

impl Style {
    /// No colour.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Self { on: false }
    }

    /// Decides by `--color`, `NO_COLOR` and the kind of output.
    pub(crate) fn choose(choice: ColorChoice, is_terminal: bool) -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            on: choice == ColorChoice::Always
                || (choice == ColorChoice::Auto && is_terminal && allowed),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A key of a JSON object.
    pub(crate) fn key(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// A string of JSON.
    pub(crate) fn string(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// A number, `true`, `false` or `null` of JSON.
    pub(crate) fn number(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something of less weight: times, sizes, offsets.
    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A warning or an error.
    pub(crate) fn alarm(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}
