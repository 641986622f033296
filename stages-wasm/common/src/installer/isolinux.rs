//! The menu of isolinux.
use super::Product;

/// Colours of the parts of the screen: number in text mode, foreground, background.
const COLOURS: [(&str, &str, &str, &str); 13] = [
    ("border", "*", "#00000000", "#00000000"),
    ("sel", "0", "#ffffffff", "#00000000"),
    ("title", "0", "#ff7ba3d0", "#00000000"),
    ("tabmsg", "0", "#ff3a6496", "#00000000"),
    ("unsel", "0", "#84b8ffff", "#00000000"),
    ("hotsel", "0", "#84b8ffff", "#00000000"),
    ("hotkey", "0", "#ffffffff", "#00000000"),
    ("help", "0", "#ffffffff", "#00000000"),
    ("scrollbar", "0", "#ffffffff", "#ff355594"),
    ("timeout", "0", "#ffffffff", "#00000000"),
    ("timeout_msg", "0", "#ffffffff", "#00000000"),
    ("cmdmark", "0", "#84b8ffff", "#00000000"),
    ("cmdline", "0", "#ffffffff", "#00000000"),
];

const GRAPHICS_HELP: &str = "Try this option out if you're having trouble installing";
const RESCUE_HELP: &str = "\tIf the system will not boot, this lets you access files
\tand edit config files to try to get it booting again.";
const MEMORY_HELP: &str = "\tIf your system is having issues, a problem with your
\tsystem's memory may be the cause. Use this utility to
\tsee if the memory is working correctly.";

/// The text of isolinux.cfg.
pub fn isolinux_menu(product: &Product, arguments: &str, fips: bool) -> String {
    let name = &product.name;
    let title = format!("{name} {}", product.version);
    let boot =
        |more: &str| format!("  kernel vmlinuz\n  append initrd=initrd.img {arguments} {more}\n");
    let mut text = head(&title);
    text += &format!(
        "label linux\n  menu label ^Install {title}\n{}\n",
        boot("quiet")
    );
    text += &format!(
        "label check\n  menu label Test this ^media & install {title}\n  menu default\n{}\n",
        boot("rd.live.check quiet")
    );
    if fips {
        text += &format!(
            "label fips\n  menu label ^Install {title} in FIPS mode\n{}\n",
            boot("quiet fips=1")
        );
    }
    text += &format!(
        "menu separator # insert an empty line\n\nmenu begin ^Troubleshooting\n  menu title Troubleshooting {title}\n\n"
    );
    text += &format!(
        "label basic\n  menu indent count 5\n  menu label Install using ^basic graphics mode\n  text help\n\t{GRAPHICS_HELP}\n\t{title}.\n  endtext\n{}",
        boot("nomodeset quiet")
    );
    text += &format!(
        "label rescue\n  menu indent count 5\n  menu label ^Rescue a {name} system\n  text help\n{RESCUE_HELP}\n  endtext\n{}",
        boot("inst.rescue quiet")
    );
    text += &format!(
        "label memtest\n  menu label Run a ^memory test\n  text help\n{MEMORY_HELP}\n  endtext\n  kernel memtest\n\n"
    );
    text + "menu separator # insert an empty line\n\nlabel local\n  menu label Boot from ^local drive\n  localboot 0xffff\n\nmenu separator # insert an empty line\nmenu separator # insert an empty line\n\nlabel returntomain\n  menu label Return to ^main menu\n  menu exit\n"
}

fn head(title: &str) -> String {
    let colours = COLOURS.map(|(part, number, front, back)| {
        format!("menu color {part} {number} {front} {back} none\n")
    });
    format!(
        "default vesamenu.c32
timeout 600

display boot.msg

menu clear
menu background splash.png
menu title {title}
menu vshift 8
menu rows 18
menu margin 8
menu helpmsgrow 15
menu tabmsgrow 13

{}
menu tabmsg Press Tab for full configuration options on menu items.

menu separator # insert an empty line
menu separator # insert an empty line

",
        colours.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fips_mode_is_an_entry_of_its_own() {
        let product = Product {
            name: "P".into(),
            version: "9".into(),
        };
        let plain = isolinux_menu(&product, "a b", false);
        let fips = isolinux_menu(&product, "a b", true);
        assert!(plain.contains("append initrd=initrd.img a b rd.live.check quiet\n"));
        assert!(!plain.contains("fips=1"));
        assert!(fips.contains("append initrd=initrd.img a b quiet fips=1\n"));
    }
}
