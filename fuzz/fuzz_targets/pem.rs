//! PEM text of strangers: certificates and keys are read or refused in one line.
#![no_main]

// The one file of the `certs` crate that reads PEM, without the TLS library that the crate also needs.
#[expect(dead_code, reason = "one fault is for the rest of that crate")]
#[path = "../../certs/src/pem.rs"]
mod pem;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let certificates = pem::certificates(data);
    if let Ok(chain) = &certificates {
        assert!(!chain.is_empty());
    }
    let faults = [certificates.err(), pem::private_key(data).err()];
    for line in faults.into_iter().flatten().map(|fault| fault.to_string()) {
        assert!(!line.is_empty() && line.lines().count() == 1, "{line:?}");
    }
});
