//go:build race

package product

const raceDetector = true
