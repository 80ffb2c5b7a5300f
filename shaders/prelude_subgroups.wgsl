// Put before everything else, in browsers alone, of kernels that use subgroups: there the line is
// required, and naga, which compiles natively, refuses it.
enable subgroups;
