//! PEM text of strangers: certificates and keys are read or refused in one line.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(chain) = certs::pem::certificates(data) {
        assert!(!chain.is_empty());
        for certificate in chain {
            assert!(certs::describe(&certificate).is_some());
        }
    }
    for line in [
        certs::pem::certificates(data)
            .err()
            .map(|fault| fault.to_string()),
        certs::pem::private_key(data)
            .err()
            .map(|fault| fault.to_string()),
    ]
    .into_iter()
    .flatten()
    {
        assert!(!line.is_empty() && line.lines().count() == 1);
    }
});
