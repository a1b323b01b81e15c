package control

// Version is the version of the whole product.
const Version = "0.1.0"
