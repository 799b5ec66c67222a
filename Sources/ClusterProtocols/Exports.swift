// Users of the protocols need the types that they are made of, too.
@_exported import NDR
