//! The suggestion for a name in the file that is neither a section nor an option: the one that was probably meant.
//!
//! Owns the order in which a likely name is looked for. Must not know: where in the file the name is.

use super::options::{ROUTE_SETTINGS, ROUTES, RouteSetting, SECTIONS, SETTINGS, Setting};
use super::reason::{ContentFault, Remedy};
use super::suggest;

/// No section has this name.
pub(super) fn section(name: &str) -> ContentFault {
    let names = || SECTIONS.iter().chain([&ROUTES]).map(|section| section.name);
    let remedy = match suggest::nearest(name, names()) {
        Some(near) if near == ROUTES.name => Remedy::Tables(near),
        Some(near) => Remedy::Section(near),
        None => Remedy::Sections(names().collect()),
    };
    let name = name.to_owned();
    ContentFault::UnknownSection { name, remedy }
}

/// A key is above the first section.
pub(super) fn key_outside_of_sections(name: &str) -> ContentFault {
    let remedy = match SETTINGS.iter().find(|setting| setting.name() == name) {
        Some(setting) => Remedy::KeyOfSection {
            key: setting.key,
            section: setting.section(),
        },
        None => remedy("", name),
    };
    let name = name.to_owned();
    ContentFault::OutsideOfSections { name, remedy }
}

/// A section has no option of this name.
pub(super) fn key(section: &str, name: &str) -> ContentFault {
    ContentFault::UnknownKey {
        section: section.to_owned(),
        name: name.to_owned(),
        remedy: remedy(section, name),
    }
}

/// A route has no option of this name.
pub(super) fn key_of_route(name: &str) -> ContentFault {
    let names = || ROUTE_SETTINGS.iter().map(RouteSetting::name);
    let near = suggest::nearest(name, names())
        .and_then(|near| ROUTE_SETTINGS.iter().find(|setting| setting.name() == near));
    let remedy = match near {
        Some(near) => Remedy::Key(near.key),
        None => Remedy::Keys {
            section: format!("[{}]", ROUTES.name),
            keys: names().collect(),
        },
    };
    ContentFault::UnknownKey {
        section: ROUTES.name.to_owned(),
        name: name.to_owned(),
        remedy,
    }
}

/// The option that was probably meant: one of this section, of the same name in another, or of a similar full name.
fn remedy(section: &str, name: &str) -> Remedy {
    let siblings = || {
        SETTINGS
            .iter()
            .filter(|setting| setting.section() == section)
    };
    let near = || {
        let near = suggest::nearest(name, siblings().map(Setting::name))?;
        siblings().find(|setting| setting.name() == near)
    };
    let elsewhere = || SETTINGS.iter().find(|setting| setting.name() == name);
    let similar = || {
        let near = suggest::nearest(name, SETTINGS.iter().map(Setting::name))?;
        SETTINGS.iter().find(|setting| setting.name() == near)
    };
    if let Some(meant) = near().or_else(elsewhere).or_else(similar) {
        return Remedy::Key(meant.key);
    }
    let keys: Vec<&str> = siblings().map(Setting::name).collect();
    if keys.is_empty() {
        return Remedy::InASection;
    }
    let section = section.to_owned();
    Remedy::Keys { section, keys }
}
