//! Uploads, which are not there yet: their options are understood, and refused where they would have an effect.
use crate::command_error::{CommandError, Result};
use crate::format::DocumentFormat;
use crate::image::arch;
use clap::Args;
use osbuild_wasm_distro::Arch;
use osbuild_wasm_report::Diagnostic;
use std::path::PathBuf;

/// Upload an image; not there yet
#[derive(Debug, Args)]
pub(super) struct Upload {
    /// The image
    #[arg(value_name = "PATH")]
    image: PathBuf,
    /// Architecture of the image
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    arch: Option<Arch>,
    /// How to show what was uploaded
    #[arg(long, value_enum, default_value_t = DocumentFormat::Yaml)]
    format: DocumentFormat,
    #[command(flatten)]
    places: UploadArguments,
}

impl Upload {
    pub(super) fn run(self) -> Result {
        Err(later(&format!("cannot upload {}", self.image.display())))
    }
}

/// Defines the options of uploads, and which of them are set.
macro_rules! options {
    ($($field:ident $value:literal $help:literal)*) => {
        /// Where an image is uploaded to.
        #[derive(Debug, Args)]
        pub(super) struct UploadArguments {
            $(
                #[doc = $help]
                #[arg(long, value_name = $value, hide = true)]
                $field: Vec<String>,
            )*
        }

        impl UploadArguments {
            /// The first option that is set.
            fn first(&self) -> Option<String> {
                $(
                    if !self.$field.is_empty() {
                        return Some(format!("--{}", stringify!($field).replace('_', "-")));
                    }
                )*
                None
            }
        }
    };
}

options! {
    to "CLOUD" "Cloud to upload to"
    aws_ami_name "NAME" "Name of the image in AWS"
    aws_bucket "NAME" "Bucket of AWS on the way"
    aws_region "NAME" "Region of AWS"
    aws_profile "NAME" "Profile of credentials for AWS"
    aws_tag "KEY=VALUE" "Tag of the image in AWS; may be given several times"
    aws_boot_mode "MODE" "How AWS boots the image"
    libvirt_connection "URI" "Connection to libvirt"
    libvirt_pool "NAME" "Pool of libvirt"
    libvirt_volume "NAME" "Volume of libvirt"
    openstack_image "NAME" "Name of the image in OpenStack"
    openstack_disk_format "FORMAT" "Format of the disk for OpenStack"
    openstack_container_format "FORMAT" "Format of the container for OpenStack"
    ibmcloud_bucket "NAME" "Bucket of IBM Cloud"
    ibmcloud_region "NAME" "Region of IBM Cloud"
    ibmcloud_image_name "NAME" "Name of the image in IBM Cloud"
    azure_client_id "ID" "Client of Azure"
    azure_client_secret "SECRET" "Secret of the client of Azure"
    azure_tenant "ID" "Tenant of Azure"
    azure_subscription "ID" "Subscription of Azure"
    azure_resource_group "NAME" "Resource group of Azure"
    azure_image_name "NAME" "Name of the image in Azure"
}

impl UploadArguments {
    /// Refuses a build that is to end in an upload, before it begins.
    pub(super) fn refuse(&self) -> Result<()> {
        match self.first() {
            Some(option) => Err(later(&format!("{option} asks for an upload"))),
            None => Ok(()),
        }
    }
}

fn later(what: &str) -> CommandError {
    let diagnostic = Diagnostic::new(format!("{what}: uploads are not there yet"));
    CommandError::failed(
        diagnostic.hint("build the image, and upload it by the tools of the cloud"),
    )
}
