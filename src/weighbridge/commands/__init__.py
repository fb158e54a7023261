"""The commands of ``weigh``, one file each: ``build(parser, arguments)`` returns what runs."""
