exports.where = () => "pack";
