"""The bundled demonstration: a made-up world, told in a few templates, that exists nowhere outside this package."""
