client {
  enabled           = true
  servers           = [@SERVERS@]
  network_interface = "@INTERFACE@"
  options {
    "driver.raw_exec.enable" = "1"
  }
}
