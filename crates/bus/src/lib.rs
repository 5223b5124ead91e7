//! D-Bus interfaces of the Cloud Policy Engine: names, types, proxies, transports
