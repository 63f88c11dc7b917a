package shim_test

func runHelper(string) int { return 0 }
