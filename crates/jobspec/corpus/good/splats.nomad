locals {
  people = [
    { name = "a", tags = ["x"] },
    { name = "b", tags = ["y", "z"] },
  ]
}

job "j" {
  meta {
    names  = join(",", local.people[*].name)
    old    = join(",", local.people.*.name)
    deep   = join(",", local.people[*].tags[0])
    single = join(",", local.people[0][*].name)
    none   = length(null[*])
  }
  group "g" {
    task "t" {
      driver = "mock_driver"
    }
  }
}
