package main

const sysSetns = 308 // package syscall does not name it
