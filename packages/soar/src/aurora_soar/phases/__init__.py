"""The phases of SOAR, one module each: typed values in, one typed value out."""
